"""Runs of binaries that behave and of all kinds that do not: a run only when every rank finished, else one clear error."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from moec.backends.astra.files.configs import CUSTOM_MAP
from moec.backends.astra.simulator import process
from moec.backends.astra.simulator.failure import BROKE, NO_ROOM, SILENT, TOO_LONG, UNUSABLE
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.runner import Outcome, run, run_many
from moec.backends.astra.simulator.smoke import expected_ns, write_smoke
from moec.diagnostics import Diagnostic
from support.simulators import fake, real

pytestmark = pytest.mark.slow  # many processes

CRITICAL = (
    "print('[t] [system] [critical] warning! a callable is removed before call Attribute x not found in node 7')\n"
)
STUCK = """
print('[t] [HardwareResource] [critical] !!!Hardware Resource sys.id=3 has unreleased nodes!!!')
print('[t] [HardwareResource] [critical] GPU comm node id: 17')
"""


def failed(outcome: Outcome) -> Diagnostic:
    done, found = outcome
    assert done is None
    assert len(found) == 1 and found[0].severity == "error"
    return found[0]


def test_a_sound_run_gives_the_ranks_times(folder: TraceFolder, tmp_path: Path):
    binary = fake(tmp_path, "finish(2, 0, 3, 1)\nleave()")

    done, found = run(folder, binary)

    assert found == [] and done is not None
    assert done.finish_ns.tolist() == [1000, 1001, 1002, 1003]
    assert done.exposed_ns.tolist() == [10] * 4
    assert done.tail[-1].endswith("Exiting")
    assert done.wall_s > 0


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("leave()", SILENT, "4 ranks (0, 1, 2, 3) of 4 never finished"),
        ("finish(0, 1, 3)\nleave()", SILENT, "rank 2 of 4 never finished"),
        ("finish(0, 1, 2, 3, 3)\nleave()", SILENT, "rank 3 finished more than once"),
        ("finish(0, 1, 2, 3, 4)\nleave()", SILENT, "it has a rank 4 where there are 4 ranks"),
        ("finish(0, 1, 2, 3)\n" + CRITICAL + "leave()", SILENT, "it says `warning! a callable is removed"),
        ("finish(0, 1, 2, 3)\n" + STUCK + "leave()", SILENT, "node 17 of rank 3 never ended"),
        ("finish(0, 1, 2, 3)\nleave(255)", BROKE, "left with exit code 255"),
        ("finish(0)\nsys.stdout.flush()\nos.abort()", BROKE, "was ended by SIGABRT"),
        (
            "finish(0, 1)\nprint('double free or corruption (fasttop)')\nsys.stdout.flush()\nos.abort()",
            BROKE,
            "was ended by SIGABRT: as it leaves it frees twice",
        ),
        ("os.kill(os.getpid(), signal.SIGSEGV)", BROKE, "was ended by SIGSEGV"),
    ],
)
def test_what_is_no_run_is_an_error(folder: TraceFolder, tmp_path: Path, body: str, code: str, says: str):
    found = failed(run(folder, fake(tmp_path, body)))

    assert found.code == code
    assert says in found.title


def test_a_time_beyond_all_time_is_not_believed(folder: TraceFolder, tmp_path: Path):
    found = failed(run(folder, fake(tmp_path, "finish(0, 1, 2)\nfinish(3, ns=2**63 - 3)\nleave()")))

    assert found.code == SILENT
    assert f"rank 3 finished at {2**63} ns" in found.title


def test_an_error_names_the_node_that_a_rank_stands_in(folder: TraceFolder, tmp_path: Path):
    binary = fake(tmp_path, "finish(0, 1, 2)\n" + STUCK + "leave()")

    found = failed(run(folder, binary, names=lambda rank, node: f"layer.{node}.dispatch" if rank == 3 else None))

    assert "rank 3 stands in node 17 `layer.17.dispatch`" in found.help
    assert any("node id: 17" in line for line in found.quoted)


def test_a_rank_without_a_stuck_node_waits_for_a_message(folder: TraceFolder, tmp_path: Path):
    found = failed(run(folder, fake(tmp_path, "finish(0, 1, 2)\nleave()")))

    assert "rank 3 holds nothing" in found.help


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[Error] (network/analytical/congestion_aware): only support 1-dim topology", "takes one dimension"),
        ("[workload] [critical] workload file: w.3.et does not exist", "there is no trace w.3.et"),
        ("For rank 0 ET node 1, communicator group 9 not found", "no communicator group 9"),
        ("Remote memory access is not supported in NO_MEMORY_EXPANSION", "no memory to move to"),
        (
            "x: error while loading shared libraries: libprotobuf.so.32: cannot open",
            "lacks the library libprotobuf.so.32",
        ),
        ("Attribute comm_size not found in node 2", "node 2 has no attribute `comm_size`"),
    ],
)
def test_known_messages_are_explained_and_quoted(folder: TraceFolder, tmp_path: Path, line: str, says: str):
    found = failed(run(folder, fake(tmp_path, f"print({line!r}, file=sys.stderr)\nsys.exit(1)")))

    assert says in found.title
    assert line in found.quoted


def test_memory_nodes_cost_a_rank_its_statistics_and_nothing_else(folder: TraceFolder, tmp_path: Path):
    line = "[t] [system] [critical] warning! a callable is removed before call Only GPU and COMM types are supported for overlap extraction"
    done, found = run(folder, fake(tmp_path, f"finish(0, 1, 2, 3)\nprint({line!r})\nleave()"))

    assert found == [] and done is not None
    assert done.without_statistics == 1


def test_a_binary_that_hangs_is_stopped_at_the_limit(folder: TraceFolder, tmp_path: Path):
    binary = fake(tmp_path, "print('so far so good', flush=True)\ntime.sleep(60)")
    start = time.monotonic()

    found = failed(run(folder, binary, time_limit_s=0.4))

    assert found.code == TOO_LONG
    assert "0.4 s" in found.title and "so far so good" in found.quoted
    assert time.monotonic() - start < 5


def test_nothing_survives_a_stopped_run(folder: TraceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It ignores SIGTERM, and so does the child that it forked."""
    monkeypatch.setattr(process, "GRACE_S", 0.2)
    body = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    open({str(tmp_path / "pids")!r}, "w").write(f"{{os.getpid()}} {{child}}")
time.sleep(60)
"""
    found = failed(run(folder, fake(tmp_path, body), time_limit_s=1.0))

    assert found.code == TOO_LONG
    assert gone(tmp_path / "pids")


def test_children_left_behind_by_a_finished_run_are_ended(folder: TraceFolder, tmp_path: Path):
    body = f"""
child = os.fork()
if not child:
    time.sleep(60)
open({str(tmp_path / "pids")!r}, "w").write(str(child))
finish(0, 1, 2, 3)
leave()
"""
    done, _ = run(folder, fake(tmp_path, body))

    assert done is not None
    assert gone(tmp_path / "pids")


def test_endless_output_is_stopped(folder: TraceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "OUTPUT_LIMIT", 100_000)

    found = failed(run(folder, fake(tmp_path, "while True: print('x' * 1000)")))

    assert found.code == BROKE
    assert "prints without end" in found.title


def test_runs_see_their_own_folder_and_leave_none_behind(
    folder: TraceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    before = sorted(path.name for path in folder.path.iterdir())
    body = """
open(os.path.join(option("logging-folder") + ".log"), "a").write("one run")
assert os.path.exists(option("system-configuration")) and os.path.exists(option("workload-configuration") + ".3.et")
assert os.listdir(os.environ["SCRATCH"]), "the working folder is a private one"
finish(0, 1, 2, 3, ns=os.path.getsize("log.log"))
leave()
"""
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))

    runs = run_many([folder] * 4, fake(tmp_path, body))

    assert [done.finish_ns[0] for done, _ in runs if done is not None] == [7] * 4
    assert sorted(path.name for path in folder.path.iterdir()) == before
    assert list((tmp_path / "scratch").iterdir()) == []


def test_several_runs_keep_their_order_and_their_errors(folder: TraceFolder, tmp_path: Path):
    other = write_smoke_beside(folder, "other")
    binary = fake(tmp_path, "finish(0, 1, 2, 3) if os.path.exists('mark') else None\nleave()")
    (folder.path / "mark").touch()

    runs = run_many([other, folder, other], binary)

    assert [done is not None for done, _ in runs] == [False, True, False]


def test_an_interruption_ends_the_runs_and_cleans_up(folder: TraceFolder, tmp_path: Path):
    """In a process of its own, as a terminal would: SIGINT to it alone."""
    pids, scratch = tmp_path / "pids", tmp_path / "scratch"
    scratch.mkdir()
    binary = fake(tmp_path, f"open({str(pids)!r}, 'a').write(str(os.getpid()) + ' ')\ntime.sleep(60)")
    program = f"""
    from pathlib import Path
    from moec.backends.astra.simulator.run_folder import TraceFolder
    from moec.backends.astra.simulator.runner import run_many
    folder = TraceFolder(Path({str(folder.path)!r}), {folder.name!r}, 4)
    run_many([folder] * 3, Path({str(binary)!r}))
    """
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, stderr=subprocess.PIPE
    ) as one:
        until = time.monotonic() + 20
        while not (pids.exists() and len(pids.read_text().split()) >= 2) and time.monotonic() < until:
            time.sleep(0.05)
        one.send_signal(signal.SIGINT)
        assert one.stderr is not None
        said = one.stderr.read()
    assert b"KeyboardInterrupt" in said
    assert gone(pids)
    assert list(scratch.iterdir()) == []


def test_a_run_can_be_cancelled(folder: TraceFolder, tmp_path: Path):
    cancel = threading.Event()
    cancel.set()

    found = failed(run(folder, fake(tmp_path, "time.sleep(60)"), cancel=cancel))

    assert "was stopped" in found.title


def test_what_cannot_be_started_is_an_error(folder: TraceFolder, tmp_path: Path):
    text = tmp_path / "not-a-program"
    text.write_bytes(b"\x7fELF but no more")
    text.chmod(0o755)

    assert failed(run(folder, text)).code == BROKE
    assert "no such file" in failed(run(folder, tmp_path / "nowhere")).title


def test_no_room_for_a_working_folder_is_an_error(folder: TraceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    assert failed(run(folder, fake(tmp_path, "leave()"))).code == NO_ROOM


def test_missing_traces_and_configurations_are_named_before_anything_runs(folder: TraceFolder, tmp_path: Path):
    folder.trace(2).unlink()
    (folder.path / "network.yml").unlink()

    found = failed(run(folder, fake(tmp_path, "finish(0, 1, 2, 3)\nleave()")))

    assert found.code == UNUSABLE
    assert "`network.yml`, `smoke.2.et`" in found.title


def test_packed_traces_are_named_before_anything_runs(folder: TraceFolder, tmp_path: Path):
    folder.trace(2).write_bytes(gzip.compress(folder.trace(2).read_bytes()))

    found = failed(run(folder, fake(tmp_path, "finish(0, 1, 2, 3)\nleave()")))

    assert found.code == UNUSABLE
    assert "smoke.2.et` is packed by gzip" in found.title
    assert "--backend fast" in found.help


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to anything")
def test_traces_that_cannot_be_written_are_named(folder: TraceFolder, tmp_path: Path):
    folder.trace(1).chmod(0o444)

    assert "smoke.1.et` is not writable" in failed(run(folder, fake(tmp_path, "leave()"))).title


def test_too_few_open_files_are_an_error_before_the_run(
    folder: TraceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(which: int, limits: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (32, 64))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    (folder.path / CUSTOM_MAP).write_text("2: a\n4: b\n")

    found = failed(run(folder, fake(tmp_path, "leave()")))

    assert found.code == NO_ROOM
    assert "76 open files for 4 ranks, and the limit is 64" in found.title


@pytest.mark.parametrize("congestion", ["aware", "unaware"])
def test_the_real_simulator_agrees_with_its_closed_form(tmp_path: Path, congestion: str):
    done, found = run(write_smoke(tmp_path, congestion), real(congestion))  # type: ignore[arg-type]

    assert found == [] and done is not None
    assert done.finish_ns.tolist() == [expected_ns(congestion)] * 2  # type: ignore[arg-type]


def test_the_real_simulator_is_not_believed_when_a_rank_goes_missing(tmp_path: Path):
    folder = write_smoke(tmp_path, "aware")
    folder.trace(1).write_bytes(folder.trace(1).read_bytes().replace(b"all_reduce", b"other_name")[:60])

    found = failed(run(folder, real("aware"), names=lambda rank, node: "all_reduce" if node == 2 else None))

    assert found.code == SILENT
    assert "rank 0 stands in node 2 `all_reduce`" in found.help


def gone(pids: Path) -> bool:
    """All processes in the file have ended (a dead one may wait for its parent to notice)."""
    until = time.monotonic() + 5
    while alive := [pid for pid in pids.read_text().split() if _alive(int(pid))]:
        if time.monotonic() > until:
            pytest.fail(f"still alive: {alive}")
        time.sleep(0.02)
    return True


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def write_smoke_beside(folder: TraceFolder, name: str) -> TraceFolder:
    place = folder.path.parent / name
    place.mkdir()
    return replace(write_smoke(place, "aware", (4,)), path=place)
