"""Configuration files in all the forms that people write, each beside sound ones: what the simulator's libraries make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.traces import SYSTEM, coll, comp, memory, write_set

POOL = {"memory-type": "MEMORY_POOL", "remote-mem-latency": 100, "remote-mem-bw": 50}
NODES = {**POOL, "memory-type": "PER_NODE_MEMORY_EXPANSION", "num-nodes": 2, "num-npus-per-node": 2}
NET = "topology: [ Switch ]\nnpus_count: [ 4 ]\nbandwidth: [ 50.0 ]\nlatency: [ 500.0 ]\n"
ALGORITHMS = (
    "Ring", "direct0", "direct-1", "direct-2", "direct 2", "direct2x", "directx", "direct123456", "oneDirect2", "oneDirectx",
    "oneDoubleBinaryTree", "direct1.5",
)  # fmt: skip
VALUES: dict[str, tuple[Any, ...]] = {
    "endpoint-delay": (None, True, "1", [], {}, 0, 1.9, -1, -0.5, 1e10, 2**31, 2**32 + 2),
    "active-chunks-per-dimension": (True, False, "1", 1.9, -1, 1e10),
    "preferred-dataset-splits": (True, False, 2.5, None),
    "peak-perf": (True, "1", 1, -0.5, None),
    "local-mem-bw": (True, 20, "x", -1),
    "roofline-enabled": (True, False, 0, 0.0, 0.5, "0", None),
    "replay-only": (False, 1, 0),
    "track-local-mem": (False, 0, 1),
    "trace-enabled": (None, "x"),
    "local-mem-trace-filename": (1, "x"),
    "local-reduction-delay": (None, True, 2.5),
    "scheduling-policy": (None, "fifo", 1),
    "collective-optimization": (None, "Baseline", "baseline"),
    "all-reduce-implementation": ("ring", ["ring", "ring"], [["ring"]], [1], [None], [""], {"a": "ring"}, []),
    "all-to-all-implementation-custom": ("x", [], ["a", "b"], [1]),
    "per-node-custom-implementation": ([], "nowhere.yml"),
    "model-shared-bus": (None, "1", 1.9),
    "L": (None, "1", [1]),
}


@dataclass(frozen=True)
class FileCase:
    """A four-rank set, one of whose files has `content`."""

    file: str
    content: str | bytes
    about: str = "plain"

    def write(self, folder: Path) -> str:
        """All files; the prefix."""
        nodes = {
            "plain": [comp(1, ns=500), coll(2, [1], size=40960), coll(3, [2], size=8192, kind=6)],
            "memory": [memory(1, size=1 << 20), comp(2, [1], ns=500)],
            "group": [coll(1, size=65536, group="1")],
        }[self.about]
        ranks = [nodes if self.about != "group" or rank < 2 else [comp(1)] for rank in range(4)]
        prefix = write_set(folder, ranks, system={"preferred-dataset-splits": 2}, groups={"1": [0, 1]})
        raw = self.content.encode() if isinstance(self.content, str) else self.content
        (folder / self.file).write_bytes(raw)
        return prefix


def cases() -> dict[str, FileCase]:
    """By name."""
    return dict([*_networks(), *_texts(), *_values(), *_memories(), *_groups()])


def _networks() -> Iterator[tuple[str, FileCase]]:
    entries = {
        "npus_count": ("[ 4 ]", ("8.0", "4.0", "0x4", "04", "010", "+4", "'4'", '" 4"', '"4 "', "!!int 4", "&a 4", "~", "[4]", "2147483648", "1")),
        "bandwidth": ("[ 50.0 ]", ("50", ".5e2", "5E+1", "0x32", "062", "1_000", "inf", ".inf", "-.inf", ".nan", "1e400", "1e-400", "0", "-1", "'50'", "50 GB", "~")),
        "latency": ("[ 500.0 ]", ("0", "-0.0", "-1", ".nan", "1e-400", "5e")),
        "topology": ("[ Switch ]", ("Switch,", '"Sw\\x69tch"', "switch", "", "''", "~", "Torus", "*a", "[Switch]")),
    }  # fmt: skip
    for key, (sound, written) in entries.items():
        for value in written:
            yield f"network: {key} {value}", FileCase("network.yml", NET.replace(sound, f"[ {value} ]"))
    layouts: dict[str, str | bytes] = {
        "a word for a list": NET.replace("[ Switch ]", "Switch"),
        "a mapping for a list": NET.replace("[ Switch ]", "{a: Switch}"),
        "an alias": NET.replace("topology: [ Switch ]", "t: &t [ Switch ]\ntopology: *t"),
        "a merge key": NET.replace("topology: [ Switch ]", "b: &b {topology: [Switch]}\n<<: *b"),
        "a key twice": NET + "latency: [ 1 ]\n",
        "a list over lines": NET.replace("[ 50.0 ]", "[\n  50.0\n ]"),
        "dashes": NET.replace("[ 50.0 ]", "\n- 50.0"),
        "dashes without a space": NET.replace("[ 50.0 ]", "\n -50.0"),
        "two documents": f"---\n{NET}---\nlatency: [3]\n",
        "text after the end": f"{NET}...\nfoo\n",
        "a directive": f"%YAML 1.2\n---\n{NET}",
        "a mark": b"\xef\xbb\xbf" + NET.encode(),
        "UTF-16": NET.encode("utf-16"),
        "a comment in Latin-1": b"# \xb5s\n" + NET.encode(),
        "carriage returns": NET.replace("\n", "\r\n"),
        "a tab before a list": NET.replace("[ 50.0 ]", "\t[ 50.0 ]"),
        "a tab before dashes": NET.replace("[ 50.0 ]", "\n\t- 50.0"),
        "nothing": "",
        "a word": "hello",
        "a list": "- a\n- b\n",
        "JSON": '{"topology":["Switch"],"npus_count":[4],"bandwidth":[50.0],"latency":[500.0]}',
        "quoted keys": NET.replace("topology", "'topology'"),
        "a question mark": NET.replace("topology: [ Switch ]", "? topology\n: [ Switch ]"),
        "a key missing": NET.replace("latency: [ 500.0 ]\n", ""),
        "keys without values": "topology:\nnpus_count:\nbandwidth:\nlatency:\n",
        "a hash within a word": NET.replace("50.0", "50.0#x"),
        "a comma at the end": NET.replace("50.0 ]", "50.0, ]"),
        "a bracket missing": NET.replace("[ 50.0 ]", "[ 50.0"),
        "unlike lengths": NET.replace("[ 4 ]", "[2, 2]"),
        "no space after a colon": NET.replace("npus_count: ", "npus_count:"),
    }
    for name, content in layouts.items():
        yield f"network: {name}", FileCase("network.yml", content)


def _texts() -> Iterator[tuple[str, FileCase]]:
    base = json.dumps(SYSTEM)
    texts: dict[str, str | bytes] = {
        "a comment": f"// x\n{base}",
        "a comma at the end": f"{base[:-1]},}}",
        "NaN": base.replace("0.001", "NaN"),
        "a key twice": f'{base[:-1]}, "endpoint-delay": 99}}',
        "text after the end": f"{base} garbage",
        "a mark": b"\xef\xbb\xbf" + base.encode(),
        "nothing": "",
        "an escaped letter": base.replace("LIFO", "L\\u0049FO"),
        "half a character": f'{base[:-1]}, "x": "\\ud800"}}',
        "a zero in front": base.replace("10,", "010,", 1),
        "beyond a double": base.replace("0.001", "1e400"),
        "beyond 64 bits": base.replace("10,", "99999999999999999999,", 1),
        "unknown keys": f'{base[:-1]}, "x": {{"a": [1, {{"b": null}}]}}}}',
        "Latin-1": f'{base[:-1]}, "x": "é"}}'.encode("latin-1"),
    }
    for name, content in texts.items():
        yield f"system: {name}", FileCase("system.json", content)


def _values() -> Iterator[tuple[str, FileCase]]:
    for key, values in VALUES.items():
        for value in values:
            changed = json.dumps({**SYSTEM, key: value})
            yield f"system: {key} {json.dumps(value)}", FileCase("system.json", changed)
        without = json.dumps({k: v for k, v in SYSTEM.items() if k != key})
        if key in SYSTEM and key != "collective-optimization":
            yield f"system: no {key}", FileCase("system.json", without)
    for name in ALGORITHMS:
        changed = json.dumps({**SYSTEM, "all-reduce-implementation": [name]})
        yield f"system: algorithm {name}", FileCase("system.json", changed)


def _memories() -> Iterator[tuple[str, FileCase]]:
    for key, values in {
        "memory-type": (None, 1, "pool"),
        "remote-mem-latency": (None, True, "1", 1.9, -1),
        "remote-mem-bw": (True, 0, 1.9, -0.5),
    }.items():
        for value in values:
            yield (
                f"memory: {key} {json.dumps(value)}",
                FileCase("memory.json", json.dumps({**POOL, key: value}), "memory"),
            )
    for key in ("num-nodes", "num-npus-per-node"):
        for value in (True, 0, 1, 3, 4.9, -1, "2"):
            yield (
                f"memory: {key} {json.dumps(value)}",
                FileCase("memory.json", json.dumps({**NODES, key: value}), "memory"),
            )
    yield "memory: no type", FileCase("memory.json", "{}", "memory")


def _groups() -> Iterator[tuple[str, FileCase]]:
    for written in (
        '{"1": [0.0, 1.9]}', '{"1": [false, true]}', '{"1": ["0", "1"]}', '{"1": null}', '{"1": {"b": 0, "a": 1}}', '{"1": 1}',
        '{"1": []}', '{"1": [[0, 1]]}', '{"01": [0, 1]}', '{"01": [0, 2], "1": [0, 1]}', '{"1": [0, 2], "1a": [0, 1]}',
        '{" 1": [0, 1]}', '{"x1": [0, 1]}', '{"-1": [0, 1]}', '{"0": [0, 1]}', '{"99999999999": [0, 1]}',
        '{"1": [0, 2], "1": [0, 1]}', '{"1": [0, 1] /* x */}', '{"1": [4294967296, 1]}', '{"1": [0, 1, 9]}', '{"1": [0, 1, 1]}',
    ):  # fmt: skip
        yield f"groups: {written}", FileCase("comm_groups.json", written, "group")
