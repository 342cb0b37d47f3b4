"""An output folder is whole or not there, and moec replaces nothing but its own."""

import json

import pytest

from moec.report.output_folder import FORMAT, check_target, write_folder

FILES = {"summary.json": b"{}", "manifest.json": json.dumps({"format": FORMAT, "files": ["summary.json"]}).encode()}


def codes(diagnostics):
    return [d.code for d in diagnostics]


def test_a_new_folder_holds_the_files_and_nothing_beside_it_remains(tmp_path):
    assert write_folder(tmp_path / "deep" / "run", FILES, force=False) == []

    assert {p.name for p in (tmp_path / "deep" / "run").iterdir()} == set(FILES)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()

    assert write_folder(tmp_path / "run", FILES, force=False) == []
    assert (tmp_path / "run" / "summary.json").read_bytes() == b"{}"


def test_results_of_moec_are_replaced_only_with_force(tmp_path):
    write_folder(tmp_path / "run", FILES, force=False)

    refused = write_folder(tmp_path / "run", {**FILES, "summary.json": b"[]"}, force=False)
    assert codes(refused) == ["M593"]
    assert "--force" in refused[0].help
    assert (tmp_path / "run" / "summary.json").read_bytes() == b"{}"

    assert write_folder(tmp_path / "run", {**FILES, "summary.json": b"[]"}, force=True) == []
    assert (tmp_path / "run" / "summary.json").read_bytes() == b"[]"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("stranger", ["thesis.tex", "manifest.json"])
def test_what_moec_did_not_write_is_never_replaced(tmp_path, stranger):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / stranger).write_text("precious")

    refused = write_folder(tmp_path / "run", FILES, force=True)

    assert codes(refused) == ["M592"]
    assert stranger in refused[0].title
    assert (tmp_path / "run" / stranger).read_text() == "precious"


def test_a_stranger_among_moecs_files_keeps_the_folder(tmp_path):
    write_folder(tmp_path / "run", FILES, force=False)
    (tmp_path / "run" / "notes.txt").write_text("mine")

    assert codes(check_target(tmp_path / "run", force=True)) == ["M592"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "run").write_text("")

    assert codes(check_target(tmp_path / "run", force=True)) == ["M591"]
    assert codes(check_target(tmp_path / "run" / "below", force=True)) == ["M594"]


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert codes(check_target(tmp_path, force=True)) == ["M594"]


def test_an_interruption_leaves_nothing(tmp_path):
    class Interrupting(dict):
        def items(self):
            yield "summary.json", b"{}"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "run", Interrupting(FILES), force=False)

    assert list(tmp_path.iterdir()) == []


def test_an_interruption_of_a_replacement_keeps_the_former_results(tmp_path):
    write_folder(tmp_path / "run", FILES, force=False)

    class Interrupting(dict):
        def items(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_folder(tmp_path / "run", Interrupting(FILES), force=True)

    assert [p.name for p in tmp_path.iterdir()] == ["run"]
    assert (tmp_path / "run" / "summary.json").read_bytes() == b"{}"
