"""Bad input of every kind ends with an exact message and exit code 1 or 2, never with a traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # many processes

VERBS = ("check", "simulate", "explain")


@pytest.mark.parametrize("verb", VERBS)
def test_a_missing_file_is_named(moec, tmp_path, verb):
    ran = moec(verb, tmp_path / "none.moe")

    assert (ran.code, ran.out) == (2, "")
    assert "none.moe" in ran.err and "no such file" in ran.err


@pytest.mark.parametrize("verb", VERBS)
def test_a_directory_is_no_specification(moec, tmp_path, verb):
    ran = moec(verb, tmp_path)

    assert ran.code == 2
    assert "is a directory" in ran.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\x00\xff\xfe", b"", b"moe 2\n", b"moe 1\nmodel {{{\n", b"\0"])
def test_what_is_no_specification_is_refused(moec, tmp_path, verb, content):
    file = tmp_path / "bad.moe"
    file.write_bytes(content)

    ran = moec(verb, file)

    assert ran.code in (1, 2)
    assert ran.out == ""
    assert "bad.moe" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(moec, tiny):
    tiny.chmod(0)

    ran = moec("check", tiny)

    assert ran.code == 2
    assert "permission denied" in ran.err


@pytest.mark.parametrize("verb", VERBS)
def test_with_json_the_diagnostics_are_the_object(moec, tmp_path, verb):
    file = tmp_path / "bad.moe"
    file.write_text("moe 1\nmodl m { layers = 2 }\n")

    ran = moec(verb, file, "--json")

    assert ran.code == 1
    assert ran.err == ""
    (found,) = [d for d in ran.json["diagnostics"] if "modl" in d["title"]]
    assert (found["severity"], found["span"]["file"], found["span"]["line"]) == ("error", str(file), 2)
    assert "model" in found["help"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.layers", "="),
        ("", "name"),
        ("model.layers=", "value"),
        ("model.layrs=3", "layers"),
        ("model.layers=-1", "layers"),
        ("model.layers=3 GB", "layers"),
        ("model.layers=((", ""),
    ],
)
def test_a_bad_override_is_the_command_lines_fault(moec, tiny, override, says):
    ran = moec("simulate", tiny, "--set", override)

    assert ran.code == 2
    assert ran.out == ""
    assert "error" in ran.err and says in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seed", "-1"], "seed"),
        (["--seed", "x"], "seed"),
        (["--backend", "astra"], "fast"),
        (["--no-such-option"], "--no-such-option"),
        (["extra"], "extra"),
        (["--set"], "--set"),
        (["--force"], "-o"),
    ],
)
def test_a_wrong_option_is_named(moec, tiny, arguments, says):
    ran = moec("simulate", tiny, *arguments)
    as_json = moec("simulate", tiny, "--json", *arguments)

    assert ran.code == as_json.code == 2
    assert ran.err.startswith("error") and says in ran.err
    assert as_json.json["ok"] is False
    assert as_json.err == ""


def test_an_unknown_verb_is_named(moec):
    ran = moec("simulte")

    assert ran.code == 2
    assert "simulte" in ran.err


@pytest.mark.parametrize("target", ["tiny.moe", "tiny.moe/below", "."])
def test_a_bad_output_folder_is_refused_before_anything_runs(moec, tiny, monkeypatch, target):
    monkeypatch.setattr("moec.run.session.simulate", lambda *_: pytest.fail("it ran"))

    ran = moec("simulate", tiny, "-o", target)

    assert ran.code == 2
    assert target in ran.err


def process(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from moec.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_reader_who_leaves_is_no_error(tiny):
    moec = f"{sys.executable} -c 'from moec.cli.main import main; main()'"
    ran = subprocess.run(
        [
            "bash",
            "-c",
            f"set -o pipefail; {moec} explain tiny.moe --json | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stdout.strip() == "0"
    assert ran.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("verb", ["check", "explain", "simulate"])
def test_a_full_disk_is_named(tiny, verb):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from moec.cli.main import main; main()", verb, "tiny.moe"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert ran.returncode == 3
    assert ran.stderr == "error: cannot write the results: no space left on device\n"


def test_an_interrupted_process_says_so_and_leaves_nothing(tiny):
    command = [sys.executable, "-c", "from moec.cli.main import main; main()", "simulate", "tiny.moe", "-o", "out"]
    many = ["--set", "workload.requests.count=2_000_000", "--set", "workload.arrivals.rate=1 req/s"]
    running = subprocess.Popen([*command, *many], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(timeout=3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()

    assert (running.returncode, out, err) == (130, "", "interrupted: nothing was written\n")
    assert [p.name for p in Path().iterdir()] == ["tiny.moe"]


def test_a_narrow_encoding_is_no_error(tiny):
    ran = process("simulate", "tiny.moe", env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr


def test_diagnostics_of_an_invalid_file_come_out_of_a_real_process(tmp_path):
    Path(tmp_path, "bad.moe").write_text("moe 1\nexperiment x { model = nothing }\n")

    ran = process("check", "bad.moe", "--json", cwd=tmp_path)

    assert ran.returncode == 1
    assert json.loads(ran.stdout)["ok"] is False


@pytest.mark.parametrize("override", ["", "workload={ }", "parallelism.attention{ dp = 2 }"])
def test_an_override_that_is_no_field_says_how_one_is_written(moec, tiny, override):
    ran = moec("simulate", tiny, "--set", override)

    assert (ran.code, ran.out) == (2, "")
    assert "--set a.b.c=value" in ran.err


@pytest.mark.parametrize(
    "path", ["model.layers", "model.moe.experts", "model.attention.heads", "workload.requests.count", "cluster.nodes"]
)
def test_a_number_beyond_all_reason_is_refused_at_once(moec, tiny, path):
    ran = moec("simulate", tiny, "--set", f"{path}=1e18")

    assert (ran.code, ran.out) == (2, "")
    assert "it must be at most" in ran.err


def test_arrivals_beyond_the_clock_are_an_error(moec, tiny):
    ran = moec("simulate", tiny, "--set", "workload.arrivals.rate=1e-12 req/s")

    assert ran.code == 2 and "M513" in ran.err


@pytest.mark.parametrize(
    "override", ["device.bandwidth=1 B/s", "device.compute.bf16=1 FLOPS", "fabric.bandwidth=1 B/s"]
)
def test_iterations_beyond_the_clock_are_an_error(moec, tiny, override):
    two = ("--set", "cluster.node.devices=2", "--set", "parallelism.attention.tp=2")

    ran = moec("simulate", tiny, *two, "--set", f"cluster.node.{override}")

    assert (ran.code, ran.out) == (2, "")
    assert "M513" in ran.err and "an iteration takes more than 4.9 hours" in ran.err


def test_prefix_caching_without_token_ids_is_said_to_do_nothing(moec, tiny):
    asked = moec("simulate", tiny, "--quiet", "--set", "serving.kv_cache.prefix_caching=true")
    default = moec("simulate", tiny, "--quiet")

    assert "M514" in asked.err and asked.code == 0
    assert "M514" not in default.err


@pytest.mark.parametrize(
    ("closed", "code", "said"), [("stdout", 3, "error: cannot write the results: it is closed\n"), ("stderr", 0, "")]
)
def test_a_closed_stream_is_said_and_never_a_traceback(tiny, closed, code, said):
    program = f"import sys; sys.{closed} = None; sys.argv = ['moec', 'check', 'tiny.moe']; import moec.cli.main as m; m.main()"

    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert (ran.returncode, ran.stderr) == (code, said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input_tokens,output_tokens\n99999999999999999999,5\n", "too large"),
        ("input_tokens,output_tokens\n" + '"' + "9" * 200_000 + '",5\n', "is no table"),
        ("input_tokens,input_tokens,output_tokens\n1,2,5\n", "twice"),
        ("request_id,input_tokens,output_tokens\n,2,5\n", "empty id"),
        ('{"input_toks": Infinity, "output_toks": 5, "arrival_time_ns": 0}\n', "for `input_toks`"),
        ('{"input_toks": 5, "output_toks": 5, "arrival_time_ns": 1e400}\n', "for `arrival_time_ns`"),
        ('{"input_toks": 5, "output_toks": 5, "x": ' + "[" * 100_000 + "\n", "too deep"),
    ],
)
def test_a_trace_beyond_all_reason_is_refused(moec, tiny, text, said):
    Path("bad.csv").write_text(text)
    ran = moec("simulate", tiny, "--set", 'workload.requests=trace("bad.csv")')

    assert ran.code in (1, 2) and ran.out == ""
    assert said in ran.err


def test_mooncake_times_may_run_for_days(moec, tiny):
    Path("days.jsonl").write_text('{"timestamp": 400000000, "input_length": 10, "output_length": 2, "hash_ids": [1]}\n')
    overrides = ("--set", 'workload.requests=trace("days.jsonl")', "--set", "workload.arrivals=recorded()")

    assert moec("simulate", tiny, "--quiet", *overrides).code == 0


def test_a_file_without_experiments_is_said_to_be_sound(moec, tmp_path):
    (tmp_path / "lib.moe").write_text("moe 1\n")
    ran = moec("check", tmp_path / "lib.moe")

    assert ran.code == 0 and "no experiment" in ran.out
