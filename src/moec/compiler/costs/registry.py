"""How an experiment's cost model is made."""

from __future__ import annotations

from moec.compiler.costs.base import CostModel
from moec.compiler.costs.checked import CheckedCosts
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Experiment, surface_name
from moec.registry import COST_MODELS, GROUPS, maker, told, wrong


def cost_model(experiment: Experiment) -> tuple[CostModel | None, list[Diagnostic]]:
    """The cost model that an experiment's `costs` names; None when its data have an error. Warnings come with a model."""
    name = surface_name(type(experiment.costs))
    made = maker(COST_MODELS, name)(experiment)
    if name in GROUPS[COST_MODELS].built_in:
        model, found = made
        return model, found
    model, found = told(COST_MODELS, name, made)
    if model is not None and not callable(getattr(model, "estimate", None)):
        raise wrong(COST_MODELS, name, "gave a model without `estimate`")
    return (None if model is None else CheckedCosts(model, name)), found
