"""Which cost models there are, and how an experiment's is made."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from moec.compiler.costs.base import CostModel
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment

Maker = Callable[[Experiment], tuple[CostModel | None, list[Diagnostic]]]
"""Takes an experiment whose plan has been checked; None with at least one error. Warnings come with a model."""

GROUP = "moec.cost_models"
"""The entry-point group in which others register a `Maker` under the name of its schema class in snake case, without `Costs`."""

MAKERS = {
    "roofline": "moec.compiler.costs.roofline:make",
    "profile": "moec.compiler.costs.profile.profile_costs:make",
    "silicon": "moec.compiler.costs.silicon.silicon_costs:make",
    "table": "moec.compiler.costs.table.table_costs:make",
}
"""Name -> `module:function`, loaded when an experiment asks for it."""


def cost_model(experiment: Experiment) -> tuple[CostModel | None, list[Diagnostic]]:
    """The cost model that an experiment's `costs` names; None when its data have an error."""
    return maker(_snake(type(experiment.costs).__name__.removesuffix("Costs")))(experiment)


def maker(name: str) -> Maker:
    """The maker of that name, ours or an installed package's."""
    if name in MAKERS:
        module, _, function = MAKERS[name].partition(":")
        ours: Maker = getattr(import_module(module), function)
        return ours
    (entry,) = entry_points(group=GROUP, name=name)
    theirs: Maker = entry.load()
    return theirs


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
