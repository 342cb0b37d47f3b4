"""Rules on the system file: keys that must be there, and values that the simulator takes another way than one thinks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moec.backends.astra.lint.finding import Finding, Rule, marked
from moec.backends.astra.lint.subject import Subject

NO_SPLITS = Rule(
    "no-splits",
    "error",
    "divides by zero: SIGFPE at the first collective",
    "set `preferred-dataset-splits` to 1 or more",
)
NO_ACTIVE = Rule(
    "no-active-chunks",
    "error",
    "begins no chunk of any collective: exit code 0, no `finished` line",
    "set `active-chunks-per-dimension` to 1 or more",
)
NO_OPTIMIZATION = Rule(
    "no-collective-optimization",
    "error",
    "uses memory that nobody set: a two-dimensional all-reduce hung",
    'set "collective-optimization": "localBWAware" or "baseline"',
)
NO_SCHEDULING = Rule(
    "no-scheduling-policy",
    "error",
    "uses memory that nobody set: some runs go well, others abort in `get_priority`",
    'set "scheduling-policy" to LIFO, FIFO or EXPLICIT',
)
BAD_SETTING = Rule(
    "bad-setting",
    "error",
    "leaves with exit code 1, aborts while it reads the file, or, with an `endpoint-delay` below 0, loses the first collective",
    "use a value that the simulator knows: numbers without quotes, texts in quotes, null nowhere",
)
TRACKED = Rule(
    "tracked-memory",
    "error",
    "throws `Attribute 'inputs' not found` inside its event loop where a node ends that has no `inputs` or `outputs`: the rank never finishes, exit code 0",
    "leave `track-local-mem` out, or set it to 0",
)
ZERO_DELAY = Rule(
    "zero-endpoint-delay",
    "error",
    "aborts when the first event falls at time 0: `Assertion current_event_list.get_event_time() > current_time`",
    "set `endpoint-delay` to 1 or more",
)
NO_PEAK = Rule(
    "no-peak",
    "error",
    "divides by zero: `Assertion current_event_list.get_event_time() > current_time`",
    "set `peak-perf` (TFLOPS) and `local-mem-bw` (GB/s) with `roofline-enabled`",
)
FREE_CHUNKS = Rule(
    "free-chunks",
    "warning",
    "the congestion-unaware binary runs all active chunks at full bandwidth: A chunks at once are A times too fast",
    "set `active-chunks-per-dimension` to 1, or use the congestion-aware binary",
)
GROUP_DELAY = Rule(
    "group-endpoint-delay",
    "warning",
    "takes 10 ns for `endpoint-delay` in communicator groups smaller than all ranks, whatever the file says",
    "set `endpoint-delay` to 10",
)
RULES = (
    NO_SPLITS,
    NO_ACTIVE,
    NO_OPTIMIZATION,
    NO_SCHEDULING,
    BAD_SETTING,
    TRACKED,
    ZERO_DELAY,
    NO_PEAK,
    FREE_CHUNKS,
    GROUP_DELAY,
)
_GROUP_DELAY_NS = 10
_POLICIES = ("LIFO", "FIFO", "EXPLICIT")
_OPTIMIZATIONS = ("baseline", "localBWAware")
_INTEGERS = (
    "endpoint-delay", "active-chunks-per-dimension", "preferred-dataset-splits", "local-reduction-delay", "model-shared-bus",
    "L", "o", "g", "G",
)  # fmt: skip
"""Numbers for which true and false will do, as 1 and 0."""
_DOUBLES = ("peak-perf", "local-mem-bw")
_TEXTS = ("local-mem-trace-filename", "per-node-custom-implementation")


def check(subject: Subject) -> Iterator[Finding]:
    """Findings on the system file."""
    system = subject.system
    if system is None:
        return
    yield from _mandatory(system, several=len(subject.dims) != 1)
    yield from _choices(system)
    yield from _types(system)
    yield from _tracked(subject)
    if system.get("endpoint-delay", 10) == 0:
        yield Finding(ZERO_DELAY, "`endpoint-delay` is 0")
    yield from _group_delay(subject, system.get("endpoint-delay", _GROUP_DELAY_NS))
    if subject.roofline and not (_positive(system.get("peak-perf")) and _positive(system.get("local-mem-bw"))):
        yield Finding(NO_PEAK, "`roofline-enabled` without `peak-perf` and `local-mem-bw` over 0")
    active = system.get("active-chunks-per-dimension", 1)
    if isinstance(active, int) and active > 1 and (subject.binary == "unaware" or len(subject.dims) > 1):
        yield Finding(FREE_CHUNKS, f"`active-chunks-per-dimension` is {active}")
    if isinstance(active, int) and active <= 0:
        yield Finding(NO_ACTIVE, f"`active-chunks-per-dimension` is {active}")


def _group_delay(subject: Subject, delay: object) -> Iterator[Finding]:
    """Only of groups that a collective of the traces uses."""
    if delay in (0, _GROUP_DELAY_NS):
        return
    small = [name for name, ranks in subject.group_members().items() if 1 < len(ranks) < subject.world]
    used = {name for trace, _ in subject.each() for name in trace.group if name}
    if found := [name for name in small if name in used]:
        yield Finding(GROUP_DELAY, f"`endpoint-delay` is {delay}, and group {found[0]} is not all ranks")


def _mandatory(system: Mapping[str, Any], *, several: bool) -> Iterator[Finding]:
    splits = system.get("preferred-dataset-splits")
    if not isinstance(splits, int) or splits <= 0:
        yield Finding(NO_SPLITS, f"`preferred-dataset-splits` is {'missing' if splits is None else splits}")
    if "collective-optimization" not in system and several:
        yield Finding(NO_OPTIMIZATION, "`collective-optimization` is missing")
    if "scheduling-policy" not in system:
        yield Finding(NO_SCHEDULING, "`scheduling-policy` is missing")


def _choices(system: Mapping[str, Any]) -> Iterator[Finding]:
    for key, known in (("scheduling-policy", _POLICIES), ("collective-optimization", _OPTIMIZATIONS)):
        if key in system and system[key] not in known:
            yield Finding(BAD_SETTING, f"`{key}` is {system[key]!r}, not {' or '.join(known)}")


def _types(system: Mapping[str, Any]) -> Iterator[Finding]:
    for key, value in system.items():
        number = isinstance(value, (int, float))
        if (key in _INTEGERS and not number) or (key in _DOUBLES and (isinstance(value, bool) or not number)):
            yield Finding(BAD_SETTING, f"`{key}` is {json.dumps(value)}, not a number")
        elif key in _TEXTS and not isinstance(value, str):
            yield Finding(BAD_SETTING, f"`{key}` is {json.dumps(value)}, not a text")
    delay = system.get("endpoint-delay", 0)
    if isinstance(delay, (int, float)) and delay <= -1:
        yield Finding(BAD_SETTING, f"`endpoint-delay` is {delay}, below 0")


def _tracked(subject: Subject) -> Iterator[Finding]:
    value = (subject.system or {}).get("track-local-mem", 0)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
        return
    for trace, ranks in subject.each():
        told = trace.attribute("inputs").present & trace.attribute("outputs").present
        yield from marked(TRACKED, trace, ranks, ~told, "a node without `inputs` or `outputs`, with `track-local-mem`")


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and value > 0
