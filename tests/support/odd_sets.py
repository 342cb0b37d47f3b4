"""Random trace sets into which values were put that nobody should write: what a mistake somewhere else leaves behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from support.bus_cases import bus_set
from support.random_sets import RandomSet, random_set

NUMBERS = (0, 1, 2, 3, 7, -1, 2**31, 2**32 + 1)
FORMS = ("int32_val", "int64_val", "uint64_val", "double_val", "string_val", "bool_val", "sint32_val")
SETTINGS = (None, 0, 1, 2, -1, "x", [], ["ring"], ["direct"], 1.5, True, False, 100)


def odd_set(seed: int) -> RandomSet:
    """The random set of a seed, some with a shared bus, with one to three slips in it."""
    draw = random.Random(seed)
    made = (bus_set if draw.random() < 0.15 else random_set)(seed)
    for _ in range(draw.choice((1, 1, 2, 3))):
        draw.choice(SLIPS)(made, draw)
    return made


def _nodes(made: RandomSet, draw: random.Random) -> list[Any]:
    return draw.choice(made.ranks)


def _attribute_gone(made: RandomSet, draw: random.Random) -> None:
    node = draw.choice(_nodes(made, draw))
    if node.attr:
        del node.attr[draw.randrange(len(node.attr))]


def _attribute_odd(made: RandomSet, draw: random.Random) -> None:
    node = draw.choice(_nodes(made, draw))
    if not node.attr:
        return
    old = draw.choice(node.attr)
    name, number, form = old.name, draw.choice(NUMBERS), draw.choice(FORMS)
    node.attr.remove(old)
    written = {"double_val": float(number), "string_val": str(number), "bool_val": bool(number % 2)}.get(form, number)
    new = node.attr.add(name=name)
    try:
        setattr(new, form, written)
    except ValueError:  # more than the form holds
        new.int64_val = number


def _number_of_another(made: RandomSet, draw: random.Random) -> None:
    nodes = _nodes(made, draw)
    draw.choice(nodes).id = draw.choice([*(node.id for node in nodes), 0, 99, 2**33])


def _dependency(made: RandomSet, draw: random.Random) -> None:
    nodes = _nodes(made, draw)
    node, label = draw.choice(nodes), draw.choice([*(node.id for node in nodes), 98])
    (node.data_deps if draw.random() < 0.5 else node.ctrl_deps).append(label)


def _kind(made: RandomSet, draw: random.Random) -> None:
    draw.choice(_nodes(made, draw)).type = draw.randrange(10)


def _node_gone(made: RandomSet, draw: random.Random) -> None:
    nodes = _nodes(made, draw)
    if len(nodes) > 1:
        nodes.remove(draw.choice(nodes))


def _duration(made: RandomSet, draw: random.Random) -> None:
    draw.choice(_nodes(made, draw)).duration_micros = draw.choice((0, 1, 1000, 2**40))


def _setting_gone(made: RandomSet, draw: random.Random) -> None:
    del made.system[draw.choice(list(made.system))]


def _setting_odd(made: RandomSet, draw: random.Random) -> None:
    made.system[draw.choice(list(made.system))] = draw.choice(SETTINGS)


def _group(made: RandomSet, draw: random.Random) -> None:
    if made.groups:
        name, world = draw.choice(list(made.groups)), list(range(len(made.ranks)))
        made.groups[name] = draw.choice(([], [0], [1, 0], [0, 0], world[::-1], [99], made.groups[name][::-1]))


def _group_gone(made: RandomSet, draw: random.Random) -> None:
    if made.groups:
        del made.groups[draw.choice(list(made.groups))]


def _memory(made: RandomSet, draw: random.Random) -> None:
    made.memory = dict(made.memory)
    values = (0, 1, -1, "MEMORY_POOL", "PER_NPU_MEMORY_EXPANSION", None, 2.5)
    made.memory[draw.choice(list(made.memory))] = draw.choice(values)


def _custom(made: RandomSet, draw: random.Random) -> None:
    nodes = draw.choice(made.custom[draw.choice(list(made.custom))]) if made.custom else []
    if not nodes:
        return
    node, slip = draw.choice(nodes), draw.randrange(3)
    if slip == 0:
        node.data_deps.append(draw.choice(nodes).id)
    elif slip == 1:
        nodes.remove(node)
    elif node.attr:
        draw.choice(node.attr).int64_val = draw.choice((0, 1, 2, -1, 4096))


def _network(made: RandomSet, draw: random.Random) -> None:
    column = made.network[draw.choice(("bandwidth", "latency", "npus_count", "topology"))]
    column[draw.randrange(len(column))] = draw.choice((0, 1, 2, 3, 0.001, "Ring", "Switch", 1e9))


SLIPS: tuple[Callable[[RandomSet, random.Random], None], ...] = (
    _attribute_gone, _attribute_odd, _attribute_odd, _number_of_another, _dependency, _dependency, _kind, _node_gone, _duration,
    _setting_gone, _setting_odd, _group, _group_gone, _memory, _custom, _custom, _network,
)  # fmt: skip
