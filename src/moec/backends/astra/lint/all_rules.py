"""All rules, by name, and the order in which their families look at a trace set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from moec.backends.astra.lint.finding import Finding, Rule, merged
from moec.backends.astra.lint.rules import (
    algorithms,
    collectives,
    custom,
    files,
    graph,
    groups,
    memory,
    messages,
    network_file,
    nodes,
    order,
    system,
)
from moec.backends.astra.lint.subject import Subject

_FAMILIES = (
    files,
    graph,
    nodes,
    collectives,
    groups,
    messages,
    system,
    network_file,
    memory,
    algorithms,
    custom,
    order,
)
RULES: dict[str, Rule] = {rule.name: rule for family in _FAMILIES for rule in family.RULES}
_CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = tuple(family.check for family in _FAMILIES)
_WITHOUT_COMMUNICATION = (files.check, graph.check, network_file.check)
"""What counts with `replay-only`, where every node just takes its recorded time."""


def lint(subject: Subject) -> tuple[Finding, ...]:
    """What is wrong with a trace set, errors first. Findings that differ in their ranks only are one."""
    checks = _WITHOUT_COMMUNICATION if (subject.system or {}).get("replay-only") else _CHECKS
    return merged(finding for check in checks for finding in check(subject))
