"""Reading files that a user names: regular files of a stated size only, so that no pipe or device is waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

SPECIFICATION_MOST = 4 * 2**20
"""Bytes of a specification: 4 MiB, some hundred thousand lines."""
DATA_MOST = 2 * 2**30
"""Bytes of a file of requests, expert counts or placements: 2 GiB."""


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises OSError, its `strerror` a reason fit for a sentence, for anything else: a folder, a pipe, a device, too large.
    """
    # A pipe without a writer would be waited for when it is opened.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        about = os.fstat(handle)
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if about.st_size > most:
            raise OSError(errno.EFBIG, f"it holds {_size(about.st_size)}, more than the {_size(most)} that are read")
        return stream.read()


def reason_of(error: OSError | ValueError) -> str:
    """Why a file could not be read, to follow a colon."""
    said = getattr(error, "strerror", None) or "not a path"
    return said[:1].lower() + said[1:]


def _size(count: int) -> str:
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= bytes_:
            return f"{count / bytes_:.3g} {unit}"
    return f"{count:,} bytes"
