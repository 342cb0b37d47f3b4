"""Cost models: where the times of kernels come from."""

from __future__ import annotations

from moec.compiler.costs.base import CostModel
from moec.compiler.costs.roofline import Roofline
from moec.dsl.schema import RooflineCosts


def cost_model(options: RooflineCosts) -> CostModel:
    """The cost model that an experiment's `costs` names."""
    match options:
        case RooflineCosts():
            return Roofline()
