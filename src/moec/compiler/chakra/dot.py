"""The graph of one rank as Graphviz text."""

from __future__ import annotations

from collections.abc import Iterator

from moec.compiler.chakra.trace import Trace
from moec.compiler.chakra.trace_set import Ranks, folded
from moec.compiler.chakra.view import View, view

_COLOURS = {
    "COMP": "lightblue",
    "COMM_COLL": "orange",
    "COMM_SEND": "lightyellow",
    "COMM_RECV": "lightyellow",
    "MEM_LOAD": "lightgrey",
    "MEM_STORE": "lightgrey",
}
_SHOWN = ("attr.num_ops", "duration_micros", "duration_ns", "attr.comm_size", "attr.pg_name", "attr.tensor_size")


def dot(trace: Trace, ranks: Ranks) -> str:
    """A digraph: data dependencies as arrows, control dependencies dashed. `ranks`: those that have this trace."""
    return "\n".join(
        ["digraph trace {", f"  label={_quoted(folded(ranks))}; node [shape=box, style=filled];", *_body(trace), "}"]
    )


def _body(trace: Trace) -> Iterator[str]:
    for i in trace.by_id.tolist():
        node = view(trace, i)
        yield f"  n{node.id} [label={_label(node)}, fillcolor={_COLOURS.get(node.kind, 'red')}];"
        yield from (f"  n{parent} -> n{node.id};" for parent in node.data_deps)
        yield from (f"  n{parent} -> n{node.id} [style=dashed];" for parent in node.ctrl_deps)


def _label(node: View) -> str:
    told = [f"{name.removeprefix('attr.')} {node.fields[name]}" for name in _SHOWN if name in node.fields]
    return _quoted("\n".join((f"{node.id} {node.name}", node.kind, *told)))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
