"""The part of YAML that ASTRA-sim's files use: `key: value` and `key: [a, b]`, one to a line, or lists with dashes."""

from __future__ import annotations

import re

Scalar = str | int | float
_COMMENT = re.compile(r"(^|\s)#.*")
_NUMBER = re.compile(r"[-+]?\d+\Z")


def parse(text: str) -> dict[str, Scalar | list[Scalar]]:
    """The mapping in a text. A key whose value is in a form that is not read here has the text of its line as value."""
    found: dict[str, Scalar | list[Scalar]] = {}
    key = ""
    for line in _joined(text):
        if line.startswith("- "):
            listed = found.setdefault(key, [])
            if isinstance(listed, list):
                listed.append(_scalar(line[2:]))
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        key = key.strip("'\"")
        if colon and value.startswith("[") and value.endswith("]"):
            found[key] = [_scalar(part) for part in value[1:-1].split(",") if part.strip()]
        elif colon and value:
            found[key] = _scalar(value)
    return found


def _joined(text: str) -> list[str]:
    """Lines without comments; a list in brackets that goes over several lines as one."""
    lines: list[str] = []
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).strip()
        if lines and lines[-1].count("[") > lines[-1].count("]"):
            lines[-1] += " " + line
        elif line and line not in ("---", "..."):
            lines.append(line)
    return lines


def _scalar(text: str) -> Scalar:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if _NUMBER.match(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text
