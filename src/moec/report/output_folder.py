"""An output folder that is either whole or not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from moec.diagnostics import Diagnostic

FORMAT = "moec results 1"
"""What `manifest.json` says of a folder that this module wrote."""
MANIFEST = "manifest.json"
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EFBIG)


def check_target(target: Path, *, force: bool) -> list[Diagnostic]:
    """Why `target` cannot become an output folder: it holds something, or no folder can be made there."""
    place = Path(os.path.realpath(target))
    if not place.exists():
        return _check_parent(target, place)
    if not place.is_dir():
        return [Diagnostic("M591", f"`{target}` is a file, not a folder for results", help="name a new folder")]
    if place == Path.cwd() or place in Path.cwd().parents:
        return [_cannot_write(target, "it is, or holds, the current folder", "name a new folder, say `-o results`")]
    try:
        entries = {entry.name for entry in place.iterdir()}
    except OSError as error:
        return [_cannot_write(target, _reason(error), "choose another folder")]
    if not entries:
        return _check_parent(target, place)
    return _check_parent(target, place) or _check_contents(target, place, entries, force=force)


def write_folder(target: Path, files: Mapping[str, bytes], *, force: bool) -> list[Diagnostic]:
    """Puts `files` into `target`, all or none."""

    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    return fill_folder(target, fill, force=force)


def fill_folder(target: Path, fill: Callable[[Path], None], *, force: bool) -> list[Diagnostic]:
    """Makes `target` what `fill` makes of an empty folder, or leaves it: the work is done beside it, then renamed.

    A folder with other contents is refused, one that moec wrote is replaced with `force`. `fill` writes `manifest.json`,
    whose `format` is FORMAT and whose `files` lists every file name; that is how moec knows its own.
    """
    if found := check_target(target, force=force):
        return found
    place = Path(os.path.realpath(target))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
        try:
            fill(fresh)
            _open_up(fresh)
            _move_into(fresh, place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        return [_broke_off(target, error)]
    return []


def _open_up(folder: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)  # mkdtemp makes it private; a result folder is as open as any other


def _move_into(fresh: Path, place: Path) -> None:
    """Renames `fresh` to `place`; what was there is put back when that fails."""
    if not place.exists() or not any(place.iterdir()):
        fresh.replace(place)
        return
    former = fresh.with_suffix(".former")
    place.rename(former)
    try:
        fresh.rename(place)
    except BaseException:
        former.rename(place)
        raise
    shutil.rmtree(former)


def _check_contents(target: Path, place: Path, entries: set[str], *, force: bool) -> list[Diagnostic]:
    strangers = sorted(entries - _written_by_moec(place))
    if strangers:
        shown = ", ".join(f"`{name}`" for name in strangers[:3]) + (", …" if len(strangers) > 3 else "")
        title = f"`{target}` holds files that moec did not write: {shown}"
        return [Diagnostic("M592", title, help="name a new folder; moec replaces nothing but its own results")]
    if not force:
        title = f"`{target}` already holds results of moec"
        return [Diagnostic("M593", title, help="`--force` replaces them")]
    return []


def _written_by_moec(place: Path) -> set[str]:
    """The names that the folder's own manifest vouches for; none when there is no such manifest."""
    try:
        manifest = json.loads((place / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return set()
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return set()
    return {MANIFEST, *(str(name).split("/")[0] for name in manifest.get("files", ()))}


def _check_parent(target: Path, place: Path) -> list[Diagnostic]:
    """The nearest ancestor that exists must be a folder that one may write into."""
    for parent in place.parents:
        if parent.is_dir():
            if os.access(parent, os.W_OK | os.X_OK):
                return []
            return [_cannot_write(target, f"no permission to write in `{_near(parent)}`", "choose another folder")]
        if parent.exists():
            return [_cannot_write(target, f"`{_near(parent)}` is a file", "choose another folder")]
    return [_cannot_write(target, "no folder above it exists", "choose another folder")]


def _broke_off(target: Path, error: OSError) -> Diagnostic:
    """A full disk is nobody's mistake, and another folder on it no better."""
    if error.errno in _MACHINE:
        title = f"writing `{target}` broke off: {_reason(error)}"
        return Diagnostic("M608", title, help="nothing was left there; make room, or name a folder on another disk")
    return _cannot_write(target, _reason(error), "choose another folder")


def _near(path: Path) -> Path:
    """The path as a user in the current folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _cannot_write(target: Path, why: str, fix: str) -> Diagnostic:
    return Diagnostic("M594", f"cannot write results to `{target}`: {why}", help=fix)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
