"""The entry point of `moec`: light, so that an interruption while the rest is imported ends quietly too."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Import the command line and run it."""
    try:
        from moec.cli.main import main as start  # takes a tenth of a second, in which Ctrl-C may come

        start()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was written\n")
        sys.exit(INTERRUPTED)
