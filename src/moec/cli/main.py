"""The command `moec`: which verbs there are, and what becomes of a wrong command line or an interruption."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from moec.cli.console import FINE, INTERRUPTED, WRONG_COMMAND, Closed, fail, note, say
from moec.diagnostics import Diagnostic, Refused, Report
from moec.version import VERSION

TERMINATED = 128 + signal.SIGTERM
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a wrong command line; where it comes from differs between typer's versions."""

SILICON = "validate silicon"
"""Two words on the command line."""
VERBS = {
    "check": "moec.cli.verbs.check:check",
    "simulate": "moec.cli.verbs.simulate:simulate",
    "explain": "moec.cli.verbs.explain:explain",
    "compile": "moec.cli.verbs.compile:compile",
    "validate": "moec.cli.verbs.validate:validate",
    "doctor": "moec.cli.verbs.doctor:doctor",
    SILICON: "moec.cli.verbs.validate_silicon:validate_silicon",
    "trace": "moec.cli.verbs.trace:trace",
}
"""Where each verb lives, in the order of the help. A run imports, and describes to typer, the one that it names."""


def moec(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which moec this is and leave.")] = False,
) -> int:
    """Simulate the serving of Mixture-of-Experts language models from a `.moe` file."""
    if version:
        say(f"moec {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())
    return FINE


def main() -> None:
    """The entry point: runs the command line, then leaves with its exit code."""
    sys.stdout = sys.stdout or Closed()  # None when the caller closed it
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a bar that an old terminal cannot show is no reason to stop
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that cleaning up still happens
    try:
        code = run(sys.argv[1:])
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            note("terminated: nothing was written")
        raise
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """The exit code of `moec` with `arguments`."""
    words = _joined(arguments)
    try:
        app = _app(words[:1] if words and words[0] in VERBS else VERBS)
        code = app(words, prog_name="moec", standalone_mode=False)
    except UsageError as error:
        return _wrong_command(error, as_json="--json" in arguments)
    except Refused as error:
        return fail(Report(error.diagnostics), as_json="--json" in arguments)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        note("interrupted: nothing was written")
    return int(code or FINE)


def _app(verbs: Iterable[str]) -> typer.Typer:
    """The command line with these of its verbs."""
    # rich markup stays off: it doubles the time of `moec --help`.
    app = typer.Typer(
        name="moec",
        add_completion=False,
        no_args_is_help=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Start with: moec simulate examples/quickstart.moe",
    )
    app.callback(invoke_without_command=True)(moec)
    for verb in verbs:
        module, _, name = VERBS[verb].partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def _joined(arguments: Sequence[str]) -> list[str]:
    """`validate silicon` is a verb of its own beside `validate FILE`."""
    words = list(arguments)
    return [SILICON, *words[2:]] if words[:2] == SILICON.split() else words


def _wrong_command(error: Exception, *, as_json: bool) -> int:
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "moec"
    title = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    title = title[:1].lower() + title[1:]
    return fail(Report((Diagnostic("M090", title, help=f"see `{where} --help`"),)), as_json=as_json) or WRONG_COMMAND
