"""Which binary is used, how it is recognised, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from moec.backends.astra.simulator.failure import BROKE, NO_ROOM, NOT_FOUND
from moec.backends.astra.simulator.find import find, find_all, recognise
from support.simulators import AWARE, UNAWARE, fake, real

ONE_DIMENSION = """
if "[ Switch, Switch ]" in open(option("network-configuration")).read():
    print("[Error] (network/analytical/congestion_aware): only support 1-dim topology", file=sys.stderr)
    sys.exit(255)
finish(0, 1, 2, 3)
leave()
"""
ANY_DIMENSION = "finish(0, 1, 2, 3)\nleave()"


def test_a_named_binary_beats_the_variable_and_the_variable_beats_the_path(tmp_path: Path):
    named, by_variable, on_path = (fake(tmp_path / name, "leave()") for name in ("named", "variable", "path"))
    environ = {"MOEC_ASTRA_SIM": str(by_variable), "PATH": str(on_path.parent)}

    assert find("auto", str(named), environ)[0].path == named  # type: ignore[union-attr]
    assert find("auto", None, environ)[0].path == by_variable  # type: ignore[union-attr]
    found, _ = find("auto", None, {"PATH": environ["PATH"]})
    assert found is not None and (found.path, found.found_by) == (on_path, "PATH")


def test_a_folder_may_be_named_instead(tmp_path: Path):
    for name in (AWARE, UNAWARE):
        fake(tmp_path / "bin", "leave()", name)

    assert [b.congestion for b in find_all(str(tmp_path), {})[0]] == ["aware", "unaware"]
    assert find("unaware", str(tmp_path), {})[0].path.name == UNAWARE  # type: ignore[union-attr]
    assert find("auto", str(tmp_path), {})[0].path.name == AWARE  # type: ignore[union-attr]


@pytest.mark.parametrize(("body", "congestion"), [(ONE_DIMENSION, "aware"), (ANY_DIMENSION, "unaware")])
def test_other_names_are_recognised_by_what_they_do(tmp_path: Path, body: str, congestion: str):
    assert recognise(fake(tmp_path, body, "astra-sim")) == (congestion, [])


def test_a_link_has_the_name_of_what_it_links_to(tmp_path: Path):
    link = tmp_path / "astra-sim"
    link.symlink_to(fake(tmp_path / "real", "sys.exit(1)", UNAWARE))

    assert recognise(link) == ("unaware", [])


def test_a_stranger_is_quoted(tmp_path: Path):
    stranger = fake(tmp_path, "print('usage: stranger FILE')\nsys.exit(2)", "stranger")

    found = find("auto", str(stranger), {})[1]

    assert [d.code for d in found] == [BROKE]
    assert "is not ASTRA-sim" in found[0].title and found[0].quoted == ("usage: stranger FILE",)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "ASTRA-sim was not found"),
        ("nowhere", "there is no `nowhere`"),
        (".", "holds no `AstraSim"),
        ("text", "not executable"),
    ],
)
def test_no_binary_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, says: str
):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("no program")

    binary, found = find("auto", given, {"PATH": str(tmp_path)})

    assert binary is None
    assert [d.code for d in found] == [NOT_FOUND]
    assert says in found[0].title and found[0].help


def test_no_place_for_a_trial_is_not_the_binarys_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    binary = fake(tmp_path, ANY_DIMENSION, "astra-sim")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    assert [d.code for d in recognise(binary)[1]] == [NO_ROOM]


def test_the_wrong_one_of_the_two_is_an_error(tmp_path: Path):
    binary, found = find("unaware", str(fake(tmp_path, "leave()")), {})

    assert binary is None
    assert "congestion-aware simulator, not the unaware one" in found[0].title


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_the_real_ones_are_recognised_under_any_name(tmp_path: Path, congestion: str):
    path = real(congestion)
    script = tmp_path / "astra-sim"
    script.write_text(f'#!/bin/sh\nexec "{path}" "$@"\n')
    script.chmod(0o755)

    assert recognise(script) == (congestion, [])
