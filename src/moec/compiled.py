"""Whether the modules that have a `.pxd` beside them run as compiled code, and whether that is of the sources beside it."""

from __future__ import annotations

from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Literal

RECORD = "compiled.sha256"
"""File in the package that says of which sources the compiled modules are."""
State = Literal["compiled", "out of date", "plain Python"]
PACKAGE = Path(__file__).parent


def digest(package: Path = PACKAGE) -> str:
    """Of everything that is compiled, whatever the ends of lines."""
    found = sha256()
    for header in headers(package):
        for path in (header, header.with_suffix(".py")):
            content = path.read_bytes().replace(b"\r\n", b"\n")
            found.update(path.relative_to(package).as_posix().encode() + b"\0" + content)
    return found.hexdigest()


def headers(package: Path = PACKAGE) -> list[Path]:
    """The files that give a module's types for the compiler."""
    return sorted(package.rglob("*.pxd"))


def state() -> State:
    """What runs here."""
    built = [any(header.with_suffix(end).exists() for end in EXTENSION_SUFFIXES) for header in headers()]
    if not any(built):
        return "plain Python"
    record = PACKAGE / RECORD
    sound = all(built) and record.exists() and record.read_text().strip() == digest()
    return "compiled" if sound else "out of date"
