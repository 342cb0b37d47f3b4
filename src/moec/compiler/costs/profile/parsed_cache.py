"""Parsed tables kept between runs, in the user's cache directory, under the hash of what they were parsed from."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from moec.cache import cache_directory
from moec.compiler.costs.profile.measurements import Tables, pack, unpack

FORMAT = "moec profile 3"
"""Part of every key: a version that reads or fills tables otherwise has a number of its own."""

KEPT = 32
"""Tables that are kept: those used last."""


def key_of(contents: Iterable[bytes]) -> str:
    """The key of tables parsed from `contents`."""
    digest = hashlib.sha256(f"{FORMAT} numpy {np.lib.NumpyVersion(np.__version__).major}".encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def recall(key: str) -> Tables | None:
    """The tables of that key; None when there are none, or when the file is damaged in any way."""
    path = _path(key)
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            tables = unpack({name: arrays[name] for name in arrays.files})
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    return tables


def keep(key: str, tables: Tables) -> None:
    """Store the tables, whole or not at all; a full or unwritable disk costs the next run its parsing."""
    path = _path(key)
    if path is None:
        return
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **pack(tables))  # type: ignore[arg-type]
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
        _prune(path.parent)


def _prune(directory: Path) -> None:
    """Drop the tables that were used longest ago."""
    files = sorted(directory.glob("profile-*.npz"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEPT:]:
        file.unlink(missing_ok=True)


def _path(key: str) -> Path | None:
    directory = cache_directory()
    return None if directory is None else directory / f"profile-{key}.npz"
