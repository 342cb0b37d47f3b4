"""Bundles are read as they are or every mistake is named: file, line, column and value; and none of it is guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moec.compiler.costs.profile.measurements import Tables, pack
from moec.compiler.costs.profile.parsed_cache import keep
from moec.compiler.costs.profile.profile_costs import Profile, make
from moec.compiler.ir.kernels import Gemm
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment, ModelDtypes, ProfileCosts
from support.bundles import shuffled, write_bundle
from support.cases import GPU, MIXTURE, MODELS, experiment


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "gpu")


def profiled(folder: Path, **plan: object) -> Experiment:
    return replace(experiment(**plan), costs=ProfileCosts(str(folder)), directory=str(folder.parent))  # type: ignore[arg-type]


def read(folder: Path, **plan: object) -> tuple[Profile | None, list[Diagnostic]]:
    return make(profiled(folder, **plan))


def change(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def same(a: Tables, b: Tables) -> bool:
    one, other = pack(a), pack(b)
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


Damage = Callable[[Path], object]
MISTAKES: dict[str, tuple[Damage, str, str]] = {
    "a file of another header": (
        lambda f: change(f / "tp1/dense.csv", "time_us", "time_ms"), "M561",
        "the profile `gpu/tp1/dense.csv`, line 1: the header is `layer,tokens,time_ms`, not `layer,tokens,time_us`",
    ),
    "an empty file": (lambda f: (f / "tp1/moe.csv").write_text(""), "M561", "`gpu/tp1/moe.csv`, line 1: the header is ``"),
    "a header alone": (
        lambda f: (f / "tp1/moe.csv").write_text("tokens,activated_experts,time_us\n"), "M561",
        "the profile `gpu/tp1/moe.csv` has a header and no rows",
    ),
    "a file cut off": (
        lambda f: (f / "tp1/attention.csv").write_text((f / "tp1/attention.csv").read_text().rstrip().rpartition(",")[0]),
        "M562", "fields instead of 5",
    ),
    "a time that is no number": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,fast"), "M562",
        "line 47: `time_us` is `fast`, not a number",
    ),
    "a time of nan": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,nan"), "M562", "`time_us` is `nan`, not a number",
    ),
    "no time": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,"), "M562", "line 47: `time_us` is empty",
    ),
    "a time of 0": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,0"), "M562", "`time_us` is `0`, and no kernel takes no time",
    ),
    "a negative time": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,-3"), "M562", "`time_us` is `-3`, not between 0 and 1e+09",
    ),
    "half a token": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,2,", "qkv_proj,2.5,"), "M562", "`tokens` is `2.5`, not a whole number",
    ),
    "a label that bounds nothing": (
        lambda f: change(f / "tp1/skew_fit.csv", "n<=4", "few"), "M562", "`n_label` is `few`, not a bound such as `n<=8`",
    ),
    "two times for one point": (
        lambda f: change(f / "tp1/dense.csv", "qkv_proj,3,", "qkv_proj,2,"), "M563",
        "line 48: layer qkv_proj, tokens 2 was 20.5 on line 47 and is 20.75 here",
    ),
    "no decode tokens alone": (
        lambda f: (f / "tp1/attention.csv").write_text("prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n16,0,0,0,8\n"),
        "M563", "the profile `gpu/tp1/attention.csv` has no row of decode tokens alone",
    ),
    "no table at all": (
        lambda f: [p.unlink() for p in (f / "tp1").iterdir()], "M560", "the profile `gpu` has none of `dense.csv`",
    ),
    "a default that is no number": (
        lambda f: change(f / "meta.yaml", "alpha_default: 0.25", "alpha_default: none"), "M562", "`alpha_default` of 1 is `none`, not a number",
    ),
    "bytes that are no text": (lambda f: (f / "tp1/dense.csv").write_bytes(b"\xff\xfe"), "M560", "it is not UTF-8 text"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str, bundle: Path) -> None:
    damage, code, title = MISTAKES[name]
    damage(bundle)
    profile, found = read(bundle)
    assert profile is None
    assert [d.code for d in found] == [code]
    assert title in found[0].title
    assert found[0].severity == "error"


def test_many_mistakes_are_counted(bundle: Path) -> None:
    text = (bundle / "tp1/dense.csv").read_text()
    (bundle / "tp1/dense.csv").write_text(text.replace("act_fn,", "act_fn,x"))
    found = read(bundle)[1]
    assert len(found) == 8
    assert found[-1].title.endswith("(and 14 more like it)")


def test_the_order_of_rows_does_not_matter_nor_does_a_row_that_is_repeated(bundle: Path) -> None:
    first = read(bundle)[0]
    for path in bundle.glob("tp1/*.csv"):
        shuffled(path)
        path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")
    second = read(bundle)[0]
    assert first is not None and second is not None
    assert same(first.tables, second.tables)


def test_a_degree_that_was_not_profiled_is_an_error(bundle: Path) -> None:
    profile, found = read(bundle, tp=4)
    assert profile is None
    (error,) = found
    assert error.code == "M564"
    assert error.title == "the profile `gpu` has no times for tensor parallelism of 4: it has `tp1`, `tp2`"


def test_a_folder_of_one_degree_is_that_degree_alone(bundle: Path) -> None:
    assert read(bundle / "tp2", tp=2)[0] is not None
    (error,) = read(bundle / "tp2")[1]
    assert error.code == "M564"
    assert "it has `tp2`" in error.title


def test_a_folder_of_something_else_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (error,) = read(tmp_path / "empty")[1]
    assert error.code == "M560"
    assert "has no folder `tp1`, `tp2`, …" in error.title


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (replace(MIXTURE, vocab=64000), "is of a model with `vocab_size` 32000, this one has 64000"),
        (replace(MIXTURE, attention=replace(MIXTURE.attention, heads=32)), "`num_attention_heads` 16, this one has 32"),
        (replace(MIXTURE, attention=replace(MIXTURE.attention, kv_heads=4)), "`num_key_value_heads` 8, this one has 4"),
        (
            replace(MIXTURE, dtype=ModelDtypes(weights="fp8")),
            "was measured with weights in bf16, this model's are in fp8",
        ),
    ],
)
def test_a_profile_of_another_model_is_an_error(bundle: Path, model: object, said: str) -> None:
    profile, found = read(bundle, model=model)
    assert profile is None
    assert [d.code for d in found] == ["M565"]
    assert said in found[0].title


@pytest.mark.parametrize(
    ("moe", "said"),
    [
        ({"top_k": 2}, "one token activates 4 experts, of this model it chooses 2"),
        ({"experts": 8}, "16 experts were activated, this model has 8"),
    ],
)
def test_experts_of_another_model_are_an_error(bundle: Path, moe: dict[str, int], said: str) -> None:
    assert MIXTURE.moe is not None
    profile, found = read(bundle, model=replace(MIXTURE, moe=replace(MIXTURE.moe, **moe)))
    assert profile is None
    assert [d.code for d in found] == ["M565"]
    assert found[0].title == f"the profile `gpu/tp1/moe.csv` is of another model: {said}"


def test_what_is_lacking_is_said_and_modelled(bundle: Path) -> None:
    for file in ("moe.csv", "skew_fit.csv"):
        (bundle / "tp1" / file).unlink()
    text = (bundle / "tp1/dense.csv").read_text().splitlines()
    (bundle / "tp1/dense.csv").write_text("\n".join(x for x in text if not x.startswith(("qk_norm", "o_proj"))))
    profile, (warning,) = read(bundle)
    assert profile is not None
    assert (warning.code, warning.severity) == ("M566", "warning")
    assert warning.title == (
        "the profile `gpu` has no times for `rope` (layer `qk_norm`), `o_proj` (layer `o_proj`), "
        "what uneven contexts add (`skew_fit.csv`), `experts` (`moe.csv`)"
    )
    assert profile.estimate(Gemm(np.array([8]), 7, 9, "bf16", "bf16"), GPU, "o_proj").source == "modelled"


def test_experts_are_measured_whole_whatever_the_degree_of_attention(bundle: Path) -> None:
    profile, found = read(bundle, tp=2)
    assert profile is not None and profile.model is not None
    assert not found


def test_latent_attention_is_not_taken_from_a_profile(bundle: Path) -> None:
    change(bundle / "meta.yaml", "num_attention_heads: 8", "x: 1")
    (bundle / "tp1" / "moe.csv").unlink()
    profile, (warning,) = read(bundle, model=MODELS["shared"])
    assert profile is not None and profile.attention is None
    assert "multi-head latent attention" in warning.title


def test_a_bundle_without_meta_is_read(bundle: Path) -> None:
    (bundle / "meta.yaml").unlink()
    assert read(bundle)[0] is not None


def stored(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "moec").glob("profile-*"))


def test_what_was_parsed_is_kept_by_content(bundle: Path, tmp_path: Path) -> None:
    first = read(bundle)[0]
    (kept,) = stored(tmp_path)
    again = read(bundle)[0]
    assert first is not None and again is not None
    assert same(first.tables, again.tables)
    assert stored(tmp_path) == [kept]
    change(bundle / "tp1/dense.csv", "qkv_proj,2,20.5", "qkv_proj,2,20.6")
    read(bundle)
    assert len(stored(tmp_path)) == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and then nothing", b"\x93NUMPY"])
def test_a_damaged_cache_is_parsed_anew(bundle: Path, tmp_path: Path, damage: bytes) -> None:
    first = read(bundle)[0]
    (kept,) = stored(tmp_path)
    kept.write_bytes(damage)
    again = read(bundle)[0]
    assert first is not None and again is not None
    assert same(first.tables, again.tables)
    assert kept.stat().st_size > 1000


def test_a_cache_of_something_else_is_parsed_anew(bundle: Path, tmp_path: Path) -> None:
    first = read(bundle)[0]
    (kept,) = stored(tmp_path)
    with kept.open("wb") as file:
        np.savez(file, **{"attention unknown": np.zeros(3)})
    again = read(bundle)[0]
    assert first is not None and again is not None
    assert same(first.tables, again.tables)


def test_no_place_for_a_cache_costs_only_time(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    profile = read(bundle)[0]
    assert profile is not None
    keep("0" * 32, profile.tables)
