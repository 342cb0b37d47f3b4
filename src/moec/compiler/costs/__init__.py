"""Cost models: where the times of kernels come from."""

from moec.compiler.costs.registry import cost_model

__all__ = ["cost_model"]
