"""The user's own cache directory, for what is made once and read back."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path | None:
    """The user's own cache directory for moec, created when absent; None when there is no place to write."""
    try:
        directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "moec"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    # Tables are unpickled: nobody else may be able to put one there.
    mine = not hasattr(os, "getuid") or directory.stat().st_uid == os.getuid()
    return directory if mine and os.access(directory, os.W_OK) else None
