"""The progress bar is for a person at a terminal; scripts never see it."""

import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow  # waits for the clock


def on_a_terminal(*arguments: str) -> tuple[str, str]:
    """stdout and what a terminal at stderr was sent."""
    ours, theirs = pty.openpty()
    code = "from moec.cli.main import main; main()"
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    ran = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment
    )
    os.close(theirs)
    shown = bytearray()
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # Linux says so when the other end of a terminal is closed
        shown += b""
    finally:
        os.close(ours)
    out, _ = ran.communicate()
    assert ran.returncode == 0, shown.decode()
    return out, shown.decode()


def test_requests_clock_and_speed_are_shown_while_it_runs(tiny):
    out, shown = on_a_terminal("simulate", "tiny.moe")

    assert "12/12 requests" in shown
    assert "×" in shown
    assert "time to first token" in out


def test_quiet_shows_no_bar(tiny):
    assert on_a_terminal("simulate", "tiny.moe", "--quiet") == ("", "")


def test_json_shows_no_bar(tiny):
    out, shown = on_a_terminal("simulate", "tiny.moe", "--json")

    assert shown == ""
    assert out.startswith("{")
