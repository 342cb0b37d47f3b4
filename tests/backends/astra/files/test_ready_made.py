"""The configurations in astra-sim/configs are what the templates make, and documented."""

from __future__ import annotations

from support.scripts import ROOT, script


def test_files_are_what_the_templates_make():
    made = script("astra_configs").ready_made()
    there = {
        path for path in script("astra_configs").FOLDER.rglob("*") if path.is_file() and path.name != "clusters.moe"
    }

    assert there == set(made), "run scripts/astra_configs.py"
    assert all(path.read_text(encoding="utf-8") == text for path, text in made.items()), "run scripts/astra_configs.py"


def test_every_cluster_is_in_the_readme():
    text = (ROOT / "astra-sim" / "README.md").read_text(encoding="utf-8")
    clusters = {path.parts[-3] for path in script("astra_configs").ready_made()}

    assert [name for name in sorted(clusters) if f"`{name}`" not in text] == []
