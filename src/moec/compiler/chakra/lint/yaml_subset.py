"""The part of YAML that ASTRA-sim's files use: `key: value` and `key: [a, b]`, one to a line or in `{ }`, or lists with dashes."""

from __future__ import annotations

import re

Scalar = str | int | float
_COMMENT = re.compile(r"(^|\s)#.*")
_NUMBER = re.compile(r"[-+]?\d+\Z")
_DECIMAL = re.compile(r"[-+]?(\.\d+|\d+\.?\d*)([eE][-+]?\d+)?\Z")
_IN_BRACES = re.compile(r"(\w+|'[^']*'|\"[^\"]*\")\s*:\s*(\[[^\]]*\]|[^,]*)")


def parse(text: str) -> dict[str, Scalar | list[Scalar]]:
    """The mapping in a text. A key whose value is in a form that is not read here has the text of its line as value.

    What stands deeper than the first key, and is no list, belongs to another key's value and is passed over.
    """
    found: dict[str, Scalar | list[Scalar]] = {}
    key, lines = "", _joined(text)
    if len(lines) == 1 and re.fullmatch(r"\{[^{}]*\}", lines[0][1]):
        lines = [(0, f"{name}: {value}") for name, value in _IN_BRACES.findall(lines[0][1][1:-1])]
    for indent, line in lines:
        if line.startswith("- "):
            listed = found.setdefault(key, [])
            if isinstance(listed, list):
                listed.append(_scalar(line[2:]))
            continue
        if indent > lines[0][0]:
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        key = key.strip("'\"")
        if colon and value.startswith("[") and value.endswith("]"):
            found[key] = [_scalar(part) for part in value[1:-1].split(",") if part.strip()]
        elif colon and value:
            found[key] = _scalar(value)
    return found


def _joined(text: str) -> list[tuple[int, str]]:
    """Indent and text of the first document's lines without comments; what is in brackets over several lines as one."""
    lines: list[tuple[int, str]] = []
    for raw in text.splitlines():
        bare = _COMMENT.sub("", raw)
        line = bare.strip()
        if line in ("---", "..."):
            if lines:
                break
        elif lines and _opens(lines[-1][1]):
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line}")
        elif line:
            lines.append((len(bare) - len(bare.lstrip()), line))
    return lines


def _opens(line: str) -> bool:
    return any(line.count(bracket) > line.count(end) for bracket, end in ("[]", "{}"))


def _scalar(text: str) -> Scalar:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if _NUMBER.match(text):
        return int(text)
    return float(text) if _DECIMAL.match(text) else text
