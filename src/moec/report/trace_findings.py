"""What `moec trace lint` found, in words and in JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from moec.backends.astra.lint.finding import Finding
from moec.backends.astra.lint.subject import Subject
from moec.compiler.chakra.trace_set import folded

_MOST = 5
"""Findings of one rule that are spelled out; `--json` has all."""


def findings_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings for scripts."""
    return [
        {
            "rule": f.rule.name,
            "severity": f.rule.severity,
            "ranks": list(f.ranks),
            "node": None if f.node is None else {"id": f.node, "name": f.name, "nodes": f.nodes},
            "message": f.sentence,
            "simulator": f.rule.does,
            "seen": f.rule.seen,
            "fix": f.rule.fix,
        }
        for f in findings
    ]


def findings_text(findings: Sequence[Finding], subject: Subject) -> str:
    """Findings for people, those of a rule together, and a line that sums up."""
    lines: list[str] = []
    rules = list(dict.fromkeys(f.rule for f in findings))
    for rule in rules:
        mine = [f for f in findings if f.rule == rule]
        lines += (f"{rule.severity}[{rule.name}]: {_where(f)}{f.sentence}" for f in mine[:_MOST])
        if len(mine) > _MOST:
            lines.append(f"  … and {len(mine) - _MOST} more of these")
        lines += [f"  = the simulator {rule.does}", f"  = help: {rule.fix}", ""]
    count = Counter(f.rule.severity for f in findings)
    nodes = sum(len(m.content.trace) * len(m.ranks) for m in subject.traces.members)
    what = f"{len(subject.traces.ranks):,} ranks, {nodes:,} nodes"
    told = (
        f"{_plural(count['error'], 'error')}, {_plural(count['warning'], 'warning')}" if findings else "nothing found"
    )
    return "\n".join([*lines, f"{subject.traces.prefix}: {what}: {told}{_unseen(subject)}"])


def _where(finding: Finding) -> str:
    parts = [folded(finding.ranks)] if finding.ranks else []
    if finding.node is not None:
        name = f" {finding.name!r}" if finding.name else ""
        more = f" and {finding.nodes - 1} more" if finding.nodes > 1 else ""
        parts.append(f"node {finding.node}{name}{more}")
    return ", ".join(parts) + ": " if parts else ""


def _unseen(subject: Subject) -> str:
    """Which configuration was not there to look at."""
    given = {"system": subject.system, "network": subject.network, "memory": subject.memory}
    absent = [f"--{name}" for name, value in given.items() if value is None]
    return f" (rules that need {', '.join(absent)} were left out)" if absent else ""


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
