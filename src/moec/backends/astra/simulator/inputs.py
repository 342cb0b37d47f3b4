"""Writing what the simulator reads for one graph: traces, custom sets, groups and configurations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from moec.backends.astra.files.configs import CUSTOM_MAP, GROUPS, configs
from moec.backends.astra.files.settings import AstraSettings, Congestion, settings_of
from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.verdict import Names
from moec.compiler.chakra.node import GLOBAL_METADATA, NodeType, computes, node
from moec.compiler.chakra.wire import render
from moec.compiler.chakra.writing.exchange import custom_files, has_collectives, has_sets
from moec.compiler.chakra.writing.numbering import number
from moec.compiler.chakra.writing.write import Traces, trace
from moec.compiler.ir.graph import AllToAll, Collective, Graph
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraSystem, Experiment

CUSTOM_FOLDER, PREFIX = "custom", "moec"
IDLE = GLOBAL_METADATA + render(node(1, (b"idle",), NodeType.COMP, (), (), computes(1)), 1).of(0)
"""The trace of a rank without work."""


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The traces of a graph with the settings to run them under."""

    traces: Traces
    settings: AstraSettings

    def write(self, place: Path) -> TraceFolder:
        """All files, into the empty folder `place`."""
        for name, text in configs(self.settings).items():
            (place / name).write_text(text, encoding="utf-8")
        if self.traces.communicators.members:
            (place / GROUPS).write_text(json.dumps(self.traces.communicators.json()), encoding="utf-8")
        same: dict[object, bytes] = {}
        for rank in range(self.settings.ranks):
            if rank >= self.traces.world:
                content = IDLE
            elif (key := self.traces.content(rank)) in same:
                content = same[key]
            else:
                content = same[key] = self.traces.file(rank)
            (place / f"{PREFIX}.{rank}.et").write_bytes(content)
        if self.traces.custom:
            self._custom(place)
        return TraceFolder(place, PREFIX, self.settings.ranks)

    def _custom(self, place: Path) -> None:
        (place / CUSTOM_FOLDER).mkdir()
        lines = []
        for label, pairs in self.traces.custom.items():
            lines.append(f"{label}: {CUSTOM_FOLDER}/{label}\n")
            for member, content in enumerate(custom_files(pairs, label)):
                (place / CUSTOM_FOLDER / f"{label}.{member}.et").write_bytes(content)
        (place / CUSTOM_MAP).write_text("".join(lines), encoding="utf-8")


def inputs_of(
    graph: Graph, experiment: Experiment, options: AstraSystem, congestion: Congestion
) -> tuple[Inputs, list[Diagnostic]]:
    """Traces and settings for `graph`, and what they cannot express."""
    settings, found = settings_for(graph, experiment, options, congestion)
    return Inputs(trace(graph, encoding=options.encoding, splits=settings.splits), settings), found


def settings_for(
    graph: Graph, experiment: Experiment, options: AstraSystem, congestion: Congestion, *, warns: bool = True
) -> tuple[AstraSettings, list[Diagnostic]]:
    """The settings alone: custom sets want collectives in one piece, so they depend on the exchanges of `graph`.

    `warns`: whether warnings matter, for which every exchange has to be looked at.
    """
    sets, sizes = has_sets(graph, options.encoding), _group_sizes(graph)
    native = not (warns and sets) or has_collectives(graph, options.encoding)
    return settings_of(experiment, options, congestion, graph.world, custom=sets, native=native, group_sizes=sizes)


def _group_sizes(graph: Graph) -> set[int]:
    """Members of the communicators that collectives run in."""
    works = [op.work for op in chain.from_iterable(block.ops for block in graph.blocks)]
    return {graph.groups[work.group].shape[-1] for work in works if isinstance(work, Collective | AllToAll)}


def names_of(graph: Graph, options: AstraSystem) -> Names:
    """The name of a node: that of its op and repeat."""
    blocks = number(graph, messages=options.encoding == "sendrecv")

    def name(_rank: int, label: int) -> str | None:
        for one in blocks:
            repeat, place = divmod(label - one.base, one.stride)
            if 0 <= repeat < one.block.repeat:
                op = one.block.ops[int(np.searchsorted(one.offset, place, side="right")) - 1]
                return f"{one.block.name}.{op.name}" + (f".{repeat}" if one.block.repeat > 1 else "")
        return None

    return name
