"""What the simulator's messages mean, for those that its users meet."""

from __future__ import annotations

import re

CAUSES: tuple[tuple[str, str, str], ...] = (
    (r"error while loading shared libraries: (\S+):", "the binary lacks the library {0}", "install it, or rebuild"),
    (r"only support 1-dim topology", "the congestion-aware simulator takes one dimension", "use the unaware binary"),
    (r"workload file: (\S+) does not exist", "there is no trace {0}", "the network counts as many ranks as traces"),
    (r"Too many open files|Failed to open file", "a trace cannot be opened", "it must be writable; see `ulimit -n`"),
    (r"Failed to read global metadata", "a trace is empty", "write the traces again"),
    (r"Node (\d+) in \w+ graph, but not found in index", "something waits for node {0}, which is not there", ""),
    (r"communicator group (\d+) not found", "no communicator group {0} in comm_groups.json", ""),
    (r"index_in_ring >= 0", "a rank takes part in a group that it is no member of", ""),
    (r"Attribute (\w+) not found in node (\d+)", "node {1} has no attribute `{0}`", ""),
    (r"std::bad_cast", "an attribute has a type that the simulator does not take", ""),
    (r"Unsupported collective comm type", "a collective of a kind that is not simulated", ""),
    (r"Invalid node_type", "a node of a kind that is not simulated", "metadata nodes must be left out"),
    (
        r"Remote memory access is not supported",
        "memory nodes, but no memory to move to",
        "give the device a `host` link",
    ),
    (r"Cannot interpret collective implementations", "an algorithm that the simulator does not know", ""),
    (r"Cannot access et file for collective algorithm", "a custom set of sends is not there", ""),
    (r"[Aa]ssertion .*connected\(", "a rank sends to itself", ""),
    (r"[Aa]ssertion .*chunk_size > 0", "a send of no bytes", ""),
    (
        r"get_event_time\(\) > current_time",
        "a delay of 0 ns at the very start",
        "put a kernel before the first message",
    ),
    (r"No dependancy free nodes found|no dependency.free", "a trace in which every node waits", ""),
    (r"Failed to open YAML file|bad file: (.*)", "a configuration file is not there", ""),
    (
        r"double free or corruption|malloc_consolidate\(\)|free\(\): ",
        "as it leaves it frees twice what two groups of a rank with collectives of one kind share",
        "`backend = fast(network: astra())` needs no simulator, nor does `moec simulate` of what `moec compile` wrote",
    ),
    (r"parse_error", "a configuration file is not JSON", ""),
)
"""Pattern, what it means, what helps; as printed by the release that docs/astra-sim.md names."""


def cause_of(text: str) -> tuple[str, str] | None:
    """The first known cause in an output: what it means and what helps, the latter possibly empty."""
    for pattern, meaning, fix in CAUSES:
        if found := re.search(pattern, text):
            return meaning.format(*found.groups()), fix
    return None
