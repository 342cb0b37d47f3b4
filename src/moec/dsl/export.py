"""An experiment written out as JSON that reads back as the same experiment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from moec.dsl.meaning.shapes import Shape, shapes_of
from moec.dsl.schema import Experiment, surface_name
from moec.dsl.text.parser import EDITION
from moec.dsl.units import NUMBER, TOKENS, Dimension, exact


def to_json(experiment: Experiment) -> dict[str, Any]:
    """`{"moe": 1, "experiment": {name: {…}}}` with every field resolved, quantities as strings with their unit.

    Paths of files are relative to the experiment's directory. `load_text(json.dumps(…), "x.json", directory=…)` gives
    the same experiment up to spans, names of definitions and hashes of files.
    """
    return {"moe": EDITION, "experiment": {experiment.name: _block(experiment, Path(experiment.directory).absolute())}}


def _block(value: object, directory: Path) -> dict[str, Any]:
    cls: type = type(value)
    shapes = shapes_of(cls)
    given = {name: getattr(value, name) for name in shapes}
    return {name: _value(v, shapes[name], directory) for name, v in given.items() if v is not None}


def _value(value: Any, shape: Shape, directory: Path) -> Any:
    if shape.accepts(type(value)):
        block = _block(value, directory)
        return block if shape.only is not None else {"=": surface_name(type(value)), **block}
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value, shape.dimension or NUMBER)
    is_path = shape.text and not shape.plain and value not in shape.choices
    return Path(os.path.relpath(value, directory)).as_posix() if is_path else value


def _number(value: int | float, dimension: Dimension) -> int | float | str:
    return value if dimension in (NUMBER, TOKENS) else exact(value, dimension)
