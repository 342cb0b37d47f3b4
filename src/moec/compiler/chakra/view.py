"""One node as a person reads it: all its fields by name, whatever the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moec.compiler.chakra.reading.decode import SCHEMA
from moec.compiler.chakra.reading.read import raw_node
from moec.compiler.chakra.schema import message_class
from moec.compiler.chakra.trace import FORMS, INTEGERS, KIND_NAMES, STRING, Trace

Value = str | int | float | bool | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A node. `fields`: everything that is set, attributes as `attr.<name>`."""

    id: int
    name: str
    kind: str
    data_deps: tuple[int, ...]
    ctrl_deps: tuple[int, ...]
    fields: Mapping[str, Value]


def view(trace: Trace, i: int) -> View:
    """Node i of a trace."""
    return _today(trace, i) if trace.schema == SCHEMA else _old(trace, i)


def kind_name(kind: int) -> str:
    """`COMP`, `COMM_COLL` …, or the number of an unknown type."""
    return KIND_NAMES[kind] if 0 <= kind < len(KIND_NAMES) else f"type {kind}"


def _today(trace: Trace, i: int) -> View:
    node = message_class("Node").FromString(raw_node(trace, i))
    kind = kind_name(node.type)
    data, ctrl = tuple(node.data_deps), tuple(node.ctrl_deps)
    fields: dict[str, Value] = {"name": node.name, "type": kind, "data_deps": data, "ctrl_deps": ctrl}
    for name in ("start_time_micros", "duration_micros"):
        if getattr(node, name):
            fields[name] = getattr(node, name)
    for side in ("inputs", "outputs"):
        for part in ("values", "shapes", "types"):
            text = getattr(getattr(node, side), part)
            if text:
                fields[f"{side}.{part}"] = text
    for attribute in node.attr:
        form = attribute.WhichOneof("value")
        value: Any = getattr(attribute, form) if form else ""
        fields.setdefault(f"attr.{attribute.name}", tuple(value.values) if form and form.endswith("_list") else value)
    return View(node.id, node.name, kind, data, ctrl, fields)


def _old(trace: Trace, i: int) -> View:
    deps = tuple(trace.deps[trace.dep_start[i] : trace.dep_start[i + 1]].tolist())
    kind = kind_name(int(trace.kind[i]))
    fields: dict[str, Value] = {"name": trace.name(i), "type": kind, "data_deps": deps, "ctrl_deps": ()}
    if trace.duration_ns[i]:
        fields["duration_ns"] = int(trace.duration_ns[i])
    for name, column in trace.attributes.items():
        form = int(column.form[i])
        if form in INTEGERS:
            fields[f"attr.{name}"] = int(column.value[i])
        elif form == STRING:
            fields[f"attr.{name}"] = trace.text(int(column.start[i]), int(column.end[i]))
        elif form:
            fields[f"attr.{name}"] = FORMS[form]
    return View(int(trace.id[i]), trace.name(i), kind, deps, (), fields)
