"""Running a trace set on the user's own ASTRA-sim, and what came of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moec.backends.astra.replay.run import time_traces
from moec.backends.astra.replay.timing import Refused
from moec.backends.astra.simulator.output import parse
from support.simulators import real

FLAGS = {
    "queues_per_dim": "num-queues-per-dim",
    "injection_scale": "injection-scale",
    "rendezvous": "rendezvous-protocol",
}

HEAP = ("malloc", "free()", "munmap_chunk()", "double free or corruption", "corrupted size")
"""What the C library says when a program has written where it should not."""


@dataclass(frozen=True)
class Outcome:
    """`times`: finish and exposed ns by rank, where all finish; else `how` it ended. `spoilt`: over its own heap."""

    how: str
    times: tuple[tuple[int, int], ...] = ()
    spoilt: bool = field(default=False, compare=False)


def run_real(prefix: str, congestion: str, options: dict[str, Any], ranks: int, timeout: float = 60) -> Outcome:
    """What the simulator makes of a set; skips the test without one. `how`: `hangs`, `aborts`, `crashes`, `exits 1` …"""
    folder = Path(prefix).parent
    names = {"system-configuration": "system.json", "network-configuration": "network.yml"}
    names |= {"remote-memory-configuration": "memory.json", "comm-group-configuration": "comm_groups.json"}
    command = [str(real(congestion)), f"--workload-configuration={Path(prefix).name}", "--logging-folder=log"]
    command += [f"--{flag}={name}" for flag, name in names.items() if (folder / name).exists()]
    command += [f"--{FLAGS[key]}={str(value).lower()}" for key, value in options.items()]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return Outcome("loops")
    text = done.stdout + done.stderr
    output = parse(text)
    broke = any(word in text for word in ("terminate called", "Assertion"))
    if done.returncode in (-6, -11) and len(output.finish_ns) == ranks and not broke:
        done.returncode = 0  # it trips over its own heap as it leaves, with all said and done
    if done.returncode == 0:
        if len(output.finish_ns) < ranks:
            return Outcome("hangs")
        return Outcome("finishes", tuple((output.finish_ns[r], output.exposed_ns[r]) for r in range(ranks)))
    how = {-6: "aborts", -11: "crashes", -8: "crashes"}.get(done.returncode, f"exits {done.returncode}")
    return Outcome(how, spoilt=any(word in text for word in HEAP))


def run_ours(prefix: str, congestion: str, options: dict[str, Any]) -> Outcome:
    """The same by moec."""
    folder = Path(prefix).parent
    groups = folder / "comm_groups.json"
    try:
        timing = time_traces(
            prefix,
            system=folder / "system.json",
            network=folder / "network.yml",
            memory=folder / "memory.json",
            comm_groups=groups if groups.exists() else None,
            congestion=congestion,
            **options,
        )
    except Refused as refused:
        end = refused.refusal
        return Outcome(f"exits {end.status}" if end.outcome == "exits" else end.outcome)
    return Outcome("finishes", tuple(zip(timing.finish_ns, timing.exposed_ns, strict=True)))
