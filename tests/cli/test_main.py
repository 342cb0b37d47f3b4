"""`moec` itself: help, version, and what a start costs in imports."""

import subprocess
import sys

from moec.version import VERSION


def test_help_lists_the_verbs_that_work(moec):
    ran = moec("--help")

    assert ran.code == 0
    for verb in ("check", "simulate", "explain"):
        assert verb in ran.out


def test_no_verb_is_a_question_for_help(moec):
    assert moec().out == moec("--help").out


def test_version(moec):
    assert moec("--version").out == f"moec {VERSION}\n"


def test_a_verb_explains_its_options(moec):
    ran = moec("simulate", "--help")

    assert ran.code == 0
    for option in ("--set", "--seed", "--backend", "--experiment", "--output", "--force", "--json", "--quiet"):
        assert option in ran.out


def test_help_needs_none_of_the_heavy_libraries():
    code = "import sys; from moec.cli.main import run; run(['--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.split(".")[0] for name in ran.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "lark", "rich", "scipy"}


def test_import_moec_is_light():
    code = "import sys, moec; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {name.split(".")[0] for name in ran.stdout.split()} & {"numpy", "lark", "rich", "typer"}
