"""The entry point of `moec`: light, so that an interruption while the rest is imported ends quietly too."""

from __future__ import annotations

import gc
import os
import sys

INTERRUPTED = 130
GARBAGE = 100_000
"""Objects before Python looks for cycles among them. By default 700, so that it does hundreds of times during imports."""


def main() -> None:
    """Import the command line and run it."""
    # numpy's OpenBLAS starts a thread for every core when it is imported, which costs more than some verbs take in all
    # and is of no use to products as small as moec's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(GARBAGE)
    try:
        from moec.cli.main import main as start  # takes a tenth of a second, in which Ctrl-C may come

        start()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was written\n")
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()  # Python would search all that is left for cycles, only to leave: a tenth of a short run
