"""`moec` itself: help, version, and what a start costs in imports."""

import os
import subprocess
import sys

import pytest

from moec.cli.main import SILICON, VERBS
from moec.version import VERSION
from support.traces import coll, write_set

ENTER = """
import gc, os, sys
from moec.cli.entry import main
sys.argv = ["moec", "--version"]
try:
    main()
except SystemExit:
    print(os.environ["OPENBLAS_NUM_THREADS"], gc.get_freeze_count() > 0)
"""


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


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_found_by_its_path(verb, moec):
    ran = moec(*verb.split(), "--help")

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: moec {verb} [OPTIONS]")


def test_a_verb_that_there_is_not_is_a_wrong_command(moec):
    ran = moec("simulat")

    assert ran.code == 2
    assert "error[M090]: no such command 'simulat'" in ran.err


def loaded(*arguments: str) -> set[str]:
    """The modules that a process has imported when it has run `moec`."""
    code = (
        f"import sys; from moec.cli.main import run; code = run({list(arguments)}); print(); print(code, *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, *modules = ran.stdout.splitlines()[-1].split()
    assert code == "0"
    return set(modules)


def test_a_run_imports_the_verb_that_it_names():
    homes = {path.partition(":")[0] for path in VERBS.values()}

    assert loaded("doctor", "--help") & homes == {"moec.cli.verbs.doctor"}
    assert loaded(*SILICON.split(), "--help") & homes == {"moec.cli.verbs.validate_silicon"}
    assert loaded("--help") >= homes


def test_a_check_imports_nothing_that_runs_a_simulator_or_reads_measured_tables(tiny):
    modules = loaded("check", str(tiny))

    assert "moec.backends.fast.backend" in modules
    assert not modules & {"moec.backends.astra.simulator.backend", "moec.compiler.costs.silicon.silicon_costs"}


def test_timing_ranks_that_are_alike_imports_no_finer_evaluation_and_json_no_tables(tmp_path):
    prefix = write_set(tmp_path / "set", [[coll(1, size=1 << 20)]] * 4)
    modules = loaded("trace", "time", prefix, "--json")

    replay = "moec.backends.astra.replay."
    assert replay + "solo" in modules
    assert not modules & {replay + "coarse", replay + "machine", replay + "custom_sets", "rich.console"}


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("3", "3")])
def test_a_process_keeps_numpy_to_one_thread_and_leaves_without_a_last_search_for_cycles(given, used):
    theirs = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environment = theirs if given is None else {**theirs, "OPENBLAS_NUM_THREADS": given}
    ran = subprocess.run([sys.executable, "-c", ENTER], capture_output=True, text=True, check=True, env=environment)

    assert ran.stdout.splitlines() == [f"moec {VERSION}", f"{used} True"]


def test_help_needs_none_of_the_heavy_libraries():
    code = "import sys; from moec.cli.main import run; run(['--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.split(".")[0] for name in ran.stdout.splitlines()[-1].split()}
    assert not loaded & {"numpy", "lark", "rich", "scipy"}


def test_import_moec_is_light():
    code = "import sys, moec; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {name.split(".")[0] for name in ran.stdout.split()} & {"numpy", "lark", "rich", "typer"}
