"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.trace import Trace
from moec.compiler.chakra.trace_set import Ranks

Severity = Literal["error", "warning"]
"""An error stops the run, hangs it or makes its figures wrong; a warning is what may be meant but often is not."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to go wrong. `does`: what the simulator makes of it; `seen`: whether in a run of it or read in its source."""

    name: str
    severity: Severity
    does: str
    fix: str
    seen: Literal["measured", "read"] = "measured"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule broken on some ranks. `node` and `name`: the first node concerned, of `nodes` on each of the ranks."""

    rule: Rule
    sentence: str
    ranks: Ranks = ()
    node: int | None = None
    name: str = ""
    nodes: int = 0


def marked(rule: Rule, trace: Trace, ranks: Ranks, mask: NDArray[np.bool_], sentence: str) -> Iterator[Finding]:
    """The finding that says `sentence` of the nodes in `mask`, if there are any."""
    at = np.flatnonzero(mask)
    if at.size:
        first = int(at[0])
        yield Finding(rule, sentence, ranks, int(trace.id[first]), trace.name(first), len(at))


def merged(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    """Findings that say the same of several ranks as one, with the node of the first; errors first."""
    alike: dict[tuple[str, str], tuple[Finding, list[int]]] = {}
    for finding in findings:
        _, ranks = alike.setdefault((finding.rule.name, finding.sentence), (finding, []))
        ranks.extend(finding.ranks)
    whole = [replace(finding, ranks=tuple(sorted(set(ranks)))) for finding, ranks in alike.values()]
    return tuple(sorted(whole, key=lambda finding: finding.rule.severity != "error"))
