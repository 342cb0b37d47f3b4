"""YAML as the simulator takes it from its library yaml-cpp: the nodes of a file, and what a scalar is as a number."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

Node = str | list["Node"] | tuple[tuple["Node", "Node"], ...] | None
"""A scalar as it is written, a sequence, a mapping as pairs, or null."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ODD = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that are like any other to yaml-cpp, but ends of lines or forbidden to this parser."""
_END = re.compile(r"^\.\.\.\s*$", re.MULTILINE)
_NULLS = ("", "~", "null", "Null", "NULL")
_WORD = r"[A-Za-z0-9_.+/][A-Za-z0-9_.+/-]*"
_LINE = re.compile(
    rf"(?:([A-Za-z0-9_]+): +(?:\[ *({_WORD}(?: *, *{_WORD})*) *\]|({_WORD})))?(?: *| +#.*)|#.*", re.ASCII
)
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\s*")
_DECIMAL = re.compile(r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_OCTAL = re.compile(r"0[oO]([0-7]+)")
_SPECIAL = re.compile(r"(?:([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")


class NotYaml(ValueError):
    """A text that is no YAML, or in a form that cannot be read here; says where."""


def decoded(raw: bytes) -> str:
    """The text of a file: UTF-16 and UTF-32 by their marks, else UTF-8, whatever is none replaced."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace")
    return raw.decode("utf-8", errors="replace")


def load(text: str) -> Node:
    """The first document of a text; null if there is none. Raises NotYaml."""
    return _plain(text) or _parsed(text)


def _plain(text: str) -> Node:
    """The mapping in a text of lines `key: word` and `key: [word, word]` without quotes, as most are; null for any other."""
    found: dict[str, Node] = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        key, words, word = match.groups()
        if key in found or key in _NULLS:
            return None
        if words is not None:
            found[key] = [_word(entry.strip(" ")) for entry in words.split(",")]
        elif key is not None:
            found[key] = _word(word)
    return tuple(found.items()) or None


def _word(written: str) -> Node:
    return None if written in _NULLS else written


def _parsed(text: str) -> Node:
    import yaml  # takes a while, and is mostly not needed

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(_ODD.sub("\ufffd", text))
    try:
        root = loader.get_node() if loader.check_node() else None
        if not _END.search(text):
            loader.check_node()  # what follows has to be another document
        return None if root is None else _node(root, set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise NotYaml(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYaml(f"{error}".splitlines()[0]) from error
    finally:
        loader.dispose()


def _node(found: yaml.Node, above: set[int]) -> Node:
    """`above`: the collections around it, which it may not be again."""
    import yaml

    if isinstance(found, yaml.ScalarNode):
        tagged = found.tag not in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:str")
        return None if not found.style and not tagged and found.value in _NULLS else str(found.value)
    if id(found) in above:
        raise NotYaml(f"line {found.start_mark.line + 1}: a collection holds itself")
    inside = above | {id(found)}
    if isinstance(found, yaml.SequenceNode):
        return [_node(entry, inside) for entry in found.value]
    return tuple(_pairs(found, inside))


def _pairs(found: yaml.MappingNode, inside: set[int]) -> Iterator[tuple[Node, Node]]:
    """Keys and values; yaml-cpp refuses a key that comes twice from its version 0.9 on, and takes the first before."""
    seen: set[str] = set()
    for key, value in found.value:
        name = _node(key, inside)
        if isinstance(name, str) and name in seen:
            raise NotYaml(f"line {key.start_mark.line + 1}: the key `{name}` is there twice")
        seen |= {name} if isinstance(name, str) and name else set()
        yield name, _node(value, inside)


def value_of(mapping: Node, key: str) -> Node:
    """The value of a key, null where it is missing."""
    return next((value for name, value in mapping if name == key), None) if isinstance(mapping, tuple) else None


def as_int(node: Node) -> int | None:
    """A scalar as the library reads an `int`: decimal, 0x… or 0… in octal; None where it refuses."""
    match = _INTEGER.fullmatch(_OCTAL.sub(r"0\1", node)) if isinstance(node, str) else None
    if match is None:
        return None
    sign, digits = match.groups()
    base = 16 if digits[1:2] in ("x", "X") else 8 if digits.startswith("0") else 10
    number = int(f"{sign}{digits}", base)
    return number if -(2**31) <= number < 2**31 else None


def as_double(node: Node) -> float | None:
    """A scalar as the library reads a `double`: decimal, or `.inf` and `.nan`; None where it refuses."""
    if not isinstance(node, str):
        return None
    if special := _SPECIAL.fullmatch(node):
        return float("nan") if special[1] is None else float(f"{special[1]}inf")
    match = _DECIMAL.fullmatch(_OCTAL.sub(r"0\1", node))
    number = float(match[1]) if match else float("inf")
    return number if abs(number) != float("inf") else None


def int_table(text: str) -> dict[int, str]:
    """A mapping from integers to texts. Raises NotYaml."""
    root = load(text)
    if not isinstance(root, tuple):
        raise NotYaml("it holds no mapping")
    found: dict[int, str] = {}
    for key, value in root:
        number = as_int(key)
        if number is None or not isinstance(value, str):
            raise NotYaml(f"it maps {key!r} to {value!r}, not an integer to a text")
        found[number] = value
    return found
