"""Configuration files opened: their bytes, and their JSON objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moec.backends.astra.files import json_strict


class Unreadable(Exception):
    """A configuration file that cannot be read, or whose content is of another format; the message names it."""


def bytes_of(path: Path) -> bytes:
    """The content of a file. Raises Unreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def json_of(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file. Raises Unreadable."""
    try:
        value = json_strict.parse(bytes_of(path).decode("utf-8-sig"))  # some editors begin with a mark
    except UnicodeDecodeError as error:
        raise Unreadable(f"cannot read {path}: not utf-8 text") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"{path} is not JSON: {where}: {error.msg.lower()}") from error
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreadable(f"{path} holds no JSON object")
    return value
