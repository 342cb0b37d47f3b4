"""For every rule of `moec trace lint` a small trace set that breaks it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.traces import METADATA, As, coll, comp, delimited, encoded, memory, node, recv, send, write_set

AR, AG, A2A = 0, 2, 6
TWO_DIMS = {"topology": ["Ring", "Ring"], "npus_count": [2, 2], "bandwidth": [50.0, 50.0], "latency": [500.0, 500.0]}
HALVES = {"1": [0, 1], "2": [2, 3]}


def chain(size: Any = 4096, **more: Any) -> list[Any]:
    """A sound rank: a kernel, a collective, a kernel."""
    return [comp(1), coll(2, [1], size, **more), comp(3, [2])]


def _same(*nodes: Any, **files: Any) -> Callable[[Path], str]:
    """All four ranks have these nodes."""
    return lambda folder: write_set(folder, [list(nodes)] * 4, **files)


def _first(*nodes: Any, **files: Any) -> Callable[[Path], str]:
    """The first rank has these nodes, the others a kernel."""
    return lambda folder: write_set(folder, [list(nodes), *([[comp(1)]] * 3)], **files)


def _each(*ranks: Any, **files: Any) -> Callable[[Path], str]:
    """Ranks with nodes of their own."""
    return lambda folder: write_set(folder, ranks, **files)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], str]:
    """Rank 0's file with its bytes changed."""
    return lambda folder: write_set(folder, [change(encoded(chain())), *([chain()] * 3)])


def _missing(folder: Path) -> str:
    prefix = write_set(folder, [chain()] * 4)
    (folder / "t.2.et").unlink()
    return prefix


def _mode(bits: int) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        prefix = write_set(folder, [chain()] * 4)
        (folder / "t.1.et").chmod(bits)
        return prefix

    return make


def _folder_for_file(folder: Path) -> str:
    prefix = _missing(folder)
    (folder / "t.2.et").mkdir()
    return prefix


def _no_metadata(folder: Path) -> str:
    return write_set(folder, [encoded(chain(), metadata=False), *([chain()] * 3)])


def _bad_bytes(folder: Path) -> str:
    return write_set(folder, [encoded(chain()) + delimited(b"\x08\x04\x1b\x1b"), *([chain()] * 3)])


def _old(folder: Path) -> str:
    """Schema 0.0.1: an all-reduce (node_type 6, comm_type 1) of 4096 bytes (field 18)."""
    return write_set(folder, [delimited(b"\x08\x01\x12\x02ar\x18\x06\x68\x01\x90\x01\x80\x20")] * 4)


def _many(folder: Path) -> str:
    return write_set(folder, [[comp(1)]] * 1024, network={"npus_count": [1024]})


def _custom(
    folder: Path, *, size: int = 2, files: int = 2, peer: int | None = None, cached: bool = False, splits: int = 1
) -> str:
    """Two groups of two; in each an all-to-all (node 2) that is a trace set of its own."""
    mine = [comp(1), coll(2, [1], kind=A2A, group="1"), *([coll(3, [2], kind=A2A, group="1")] if cached else [])]
    theirs = [comp(1)]
    prefix = write_set(
        folder,
        [mine, mine, theirs, theirs],
        groups=HALVES,
        system={"per-node-custom-implementation": str(folder / "map.yml"), "preferred-dataset-splits": splits},
    )
    (folder / "map.yml").write_text(f"2: {folder / 'own'}\n")
    for me in range(files):
        other = 1 - me if peer is None else peer
        body = [send(1, other, size=1000, tag=7), recv(2, other, size=1000, tag=7)]
        (folder / f"own.{me}.et").write_bytes(encoded(body))
    return prefix


def _custom_list(folder: Path) -> str:
    system = {"all-reduce-implementation-custom": ["a", "b"], "preferred-dataset-splits": 1}
    return write_set(folder, [chain()] * 4, system=system)


def _broken_memory(folder: Path) -> str:
    return write_set(folder, [chain()] * 4, memory={"memory-type": "DISK"})


def _exchange(first: int, second: int) -> list[Any]:
    """Two all-reduces, in groups `first` and `second`, by ascending id."""
    return [coll(1, group=str(first)), coll(2, [1], group=str(second))]


RING, SWITCH = {"topology": ["Ring"]}, {"topology": ["Switch"]}
FIVE = {"topology": ["Ring"] * 5, "npus_count": [2] * 5, "bandwidth": [50.0] * 5, "latency": [500.0] * 5}
FIVE_RINGS = {"all-reduce-implementation": ["ring"] * 5}
TWO_RINGS = {"all-reduce-implementation": ["ring"] * 2, "all-to-all-implementation": ["direct"] * 2}
THREE = {"npus_count": [3]}

BROKEN: dict[str, Callable[[Path], str]] = {
    "missing-rank": _missing,
    "extra-rank": lambda folder: write_set(folder, [chain()] * 6),
    "unreadable": _folder_for_file,
    "read-only": _mode(0o444),
    "empty-file": _bytes(lambda _: b""),
    "gzip": _bytes(lambda data: gzip.compress(data, mtime=0)),
    "bad-gzip": _bytes(lambda data: gzip.compress(data, mtime=0)[:-12]),
    "truncated": _bytes(lambda data: data[:-9]),
    "no-metadata": _no_metadata,
    "bad-bytes": _bad_bytes,
    "old-schema": _old,
    "many-files": _many,
    "no-free-node": _first(comp(1, [2]), comp(2, [1])),
    "dangling-dependency": _first(comp(1), comp(2, [1, 77])),
    "cycle": _first(comp(1), comp(2, [3]), comp(3, [2])),
    "duplicate-id": _first(comp(1), comp(2, [1], 500), comp(2, [1], 900)),
    "wide-ready-set": _first(*(comp(i) for i in range(1, 1003))),
    "metadata-node": _first(comp(1), node(2, METADATA, [1])),
    "invalid-node": _first(comp(1), node(2, 0, [1]), comp(3, [2])),
    "unknown-type": _first(comp(1), node(2, 9, [1])),
    "missing-attribute": _same(comp(1), coll(2, [1], None)),
    "wrong-attribute-type": _same(comp(1), coll(2, [1], As("float_val", 4096.0))),
    "zero-time": _first(comp(1), comp(2, [1], tensor_size=0), comp(3, [2])),
    "cpu-communication": _same(comp(1), coll(2, [1], is_cpu_op=True)),
    "statistics-lost": _first(comp(1), comp(2, [1], is_cpu_op=True, micros=3)),
    "untimed-kernel": _first(comp(1), system={"roofline-enabled": 0}),
    "unsupported-collective": _same(*chain(kind=1)),
    "broadcast-replayed": _same(*chain(kind=5)),
    "zero-collective": _same(*chain(0, kind=AG)),
    "gather-below-splits": _same(*chain(3, kind=AG)),
    "raised-size": _same(*chain(8)),
    "indivisible-size": _same(*chain(1048577)),
    "involved-dim-type": _same(*chain(involved_dim=True)),
    "involved-dim-none": _same(*chain(involved_dim=As("bool_list", [False]))),
    "involved-dim-short": _same(*chain(involved_dim=As("bool_list", [True])), network=TWO_DIMS, system=TWO_RINGS),
    "involved-dim-ignored": _each(
        *([chain(group="1", involved_dim=As("bool_list", [True]))] * 2),
        *([chain(group="2", involved_dim=As("bool_list", [True]))] * 2),
        groups=HALVES,
    ),
    "fifth-dimension": lambda folder: write_set(folder, [chain()] * 32, network=FIVE, system=FIVE_RINGS),
    "bad-group-file": _same(*chain(), groups={"0": [0, 1, 2, 3]}),
    "bad-group-name": _same(*chain(group="tensor"), groups=HALVES),
    "unknown-group": _same(*chain(group="9"), groups=HALVES),
    "group-of-one": _first(*chain(group="1"), groups={"1": [0]}),
    "not-a-member": _same(*chain(group="1"), groups=HALVES),
    "group-rank-range": _same(*chain(group="1"), groups={"1": [0, 1, 2, 3, 4]}),
    "group-rank-twice": _each(*([chain(group="1")] * 2), [comp(1)], [comp(1)], groups={"1": [0, 1, 1]}),
    "group-unordered": _each(*([chain(group="1")] * 2), [comp(1)], [comp(1)], groups={"1": [1, 0]}),
    "group-number-large": _each(*([chain(group="3000")] * 2), [comp(1)], [comp(1)], groups={"3000": [0, 1]}),
    "group-tags-shared": _same(
        coll(1, group="1"), coll(2, [1], group="501"), groups={"1": [0, 1, 2, 3], "501": [0, 1, 2, 3]}
    ),
    "zero-message": _each([send(1, 1, size=0)], [recv(1, 0, size=0)], [comp(1)], [comp(1)]),
    "message-to-self": _first(send(1, 0), recv(2, 0)),
    "peer-range": _first(comp(1), send(2, 7, [1])),
    "message-of-another": _each([comp(1), send(2, 1, [1], comm_src=3)], [recv(1, 0)], [comp(1)], [comp(1)]),
    "receive-without-send": _each([comp(1), send(2, 1, [1])], [recv(1, 0, size=4000)], [comp(1)], [comp(1)]),
    "send-without-receive": _first(comp(1), send(2, 1, [1])),
    "instant-message": _each([send(1, 1, size=10)], [recv(1, 0, size=10)], [comp(1)], [comp(1)]),
    "group-endpoint-delay": _each(
        *([chain(group="1")] * 2), *([chain(group="2")] * 2), groups=HALVES, system={"endpoint-delay": 1000}
    ),
    "no-splits": _same(*chain(), system={"preferred-dataset-splits": None}),
    "no-active-chunks": _same(*chain(), system={"active-chunks-per-dimension": 0}),
    "no-collective-optimization": _same(
        *chain(), network=TWO_DIMS, system={**TWO_RINGS, "collective-optimization": None}
    ),
    "no-scheduling-policy": _same(*chain(), system={"scheduling-policy": None}),
    "bad-setting": _same(*chain(), system={"scheduling-policy": "SHORTEST"}),
    "tracked-memory": _same(*chain(), system={"track-local-mem": 1}),
    "zero-endpoint-delay": _same(coll(1), system={"endpoint-delay": 0}),
    "no-peak": _same(*chain(), system={"peak-perf": None}),
    "free-chunks": _same(*chain(1 << 20), network=TWO_DIMS, system={**TWO_RINGS, "active-chunks-per-dimension": 4}),
    "bad-network": _same(*chain(), network={"latency": []}),
    "aware-one-dimension": _same(*chain(), network=TWO_DIMS, system=TWO_RINGS),
    "aware-ring-of-two": lambda folder: write_set(folder, [chain()] * 2, network={**RING, "npus_count": [2]}),
    "diagonal-messages": _each([send(1, 3)], [comp(1)], [comp(1)], [recv(1, 0)], network=TWO_DIMS, system=TWO_RINGS),
    "bad-memory": _broken_memory,
    "memory-fraction": lambda folder: write_set(
        folder,
        [chain()] * 4,
        memory={"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-bw": 50.5, "remote-mem-latency": 100},
    ),
    "no-remote-memory": _first(comp(1), memory(2, [1])),
    "bad-algorithm": _same(*chain(), system={"all-reduce-implementation": "ring"}),
    "no-algorithm": _same(*chain(), system={"all-reduce-implementation": None}),
    "fewer-algorithms-than-dimensions": _same(*chain(), network=TWO_DIMS),
    "more-algorithms-than-dimensions": _same(*chain(), system=TWO_RINGS),
    "ring-all-to-all": _same(*chain(kind=A2A), system={"all-to-all-implementation": ["ring"]}),
    "group-forced-to-ring": _each(
        *([chain(group="1", kind=A2A)] * 2),
        *([chain(group="2", kind=A2A)] * 2),
        groups=HALVES,
        network=TWO_DIMS,
        system=TWO_RINGS,
    ),
    "halving-doubling": lambda folder: write_set(
        folder, [chain()] * 3, network=THREE, system={"all-reduce-implementation": ["halvingDoubling"]}
    ),
    "halving-doubling-small": _same(
        *chain(28), system={"all-reduce-implementation": ["halvingDoubling"], "preferred-dataset-splits": 4}
    ),
    "whole-messages": _same(*chain()),
    "double-binary-tree": lambda folder: write_set(
        folder, [chain()] * 3, network=THREE, system={"all-reduce-implementation": ["doubleBinaryTree"]}
    ),
    "unaware-switch-direct": _same(*chain(kind=A2A)),
    "custom-list": _custom_list,
    "custom-missing": lambda folder: _custom(folder, files=1),
    "custom-peer": lambda folder: _custom(folder, peer=3),
    "custom-cached": lambda folder: _custom(folder, cached=True),
    "custom-in-pieces": lambda folder: _custom(folder, splits=4),
    "collective-mismatch": _each(*([chain(4096)] * 3), chain(8192)),
    "world-out-of-step": _each(*([[coll(1, group="1"), coll(2, [1])]] * 2), *([[coll(2)]] * 2), groups={"1": [0, 1]}),
    "collective-without-peer": _each(*([chain()] * 3), [comp(1)]),
    "statistics-abort": lambda folder: write_set(
        folder,
        [[comp(1), memory(2, [1]), send(3, 1, [2])], [recv(1, 0)], [comp(1)], [comp(1)]],
        memory={"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-bw": 50, "remote-mem-latency": 100},
    ),
    "deadlock": _each(
        _exchange(1, 2),
        _exchange(1, 2),
        _exchange(2, 1),
        _exchange(2, 1),
        groups={"1": [0, 1, 2, 3], "2": [0, 1, 2, 3]},
    ),
}
"""The folder gets the trace set and its configuration files; the prefix comes back."""

BINARY = {
    "aware-one-dimension": "aware",
    "aware-ring-of-two": "aware",
    "instant-message": "aware",
    "unaware-switch-direct": "unaware",
    "whole-messages": "aware",
}
"""Which of the simulator's two network models a set is for, where that matters."""
