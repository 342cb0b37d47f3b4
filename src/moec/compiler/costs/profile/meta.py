"""What a bundle says of itself in `meta.yaml`: the engine's settings, the shapes and the fit's defaults."""

from __future__ import annotations

from typing import Any


def parse(text: str) -> dict[str, Any]:
    """Nested mappings of scalars and bracketed lists, which is all of YAML that the profiler writes.

    A line of another form is passed over: nothing is read from it.
    """
    root: dict[str, Any] = {}
    stack: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for line in text.splitlines():
        key, colon, value = line.strip().partition(":")
        if not colon or key.startswith(("#", "-")):
            continue
        indent = len(line) - len(line.lstrip())
        while stack[-1][0] >= indent:
            stack.pop()
        here = stack[-1][1]
        value = value.strip()
        if value and not value.startswith("#"):
            here[key.strip("'\"")] = _value(value)
        else:
            inner: dict[str, Any] = {}
            here[key.strip("'\"")] = inner
            stack.append((indent, inner))
    return root


def at(meta: dict[str, Any], *path: str) -> Any:
    """The value at a path of keys, None where there is none."""
    value: Any = meta
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_value(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)
