"""Where the files of a bundle are, and whether they were measured on the model and the plan of an experiment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moec.compiler.costs.profile import meta as yaml
from moec.compiler.costs.profile.bundle_files import FAMILY, FILES
from moec.compiler.sizes.layout import layout_of
from moec.diagnostics import Diagnostic
from moec.diagnostics.csv_records import Source
from moec.dsl.schema import Experiment, Gqa, ProfileCosts

WHAT = "the profile"
META = "meta.yaml"
_DEGREE = re.compile(r"tp(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files by name: those of the plan's tensor-parallel degree, and `moe.csv` of whichever folder has it.

    `alpha`: the default of the skew's fit. `source` names the folder as the user did.
    """

    files: Mapping[str, Path]
    alpha: float
    source: Source

    def source_of(self, file: str) -> Source:
        """The source of one of its files, by its name relative to the .moe file."""
        s = self.source
        return Source(os.path.relpath(self.files[file], s.directory), s.directory, s.what, s.span, s.family)


def find(experiment: Experiment) -> tuple[Bundle | None, list[Diagnostic]]:
    """The bundle that the experiment's costs name, for its plan."""
    assert isinstance(experiment.costs, ProfileCosts), "the costs are a profile"
    folder = Path(experiment.costs.folder)
    shown = os.path.relpath(folder, experiment.directory)
    source = Source(shown, experiment.directory, WHAT, experiment.span("costs.folder"), FAMILY)
    root, degrees = _degrees(folder)
    tp = layout_of(experiment).tp
    if not degrees:
        title = f"{WHAT} `{shown}` has no folder `tp1`, `tp2`, … with the tables"
        return None, [source.error(0, title, fix="name the folder that holds `meta.yaml` and the `tp` folders")]
    if tp not in degrees:
        listed = ", ".join(f"`tp{n}`" for n in sorted(degrees))
        title = f"{WHAT} `{shown}` has no times for tensor parallelism of {tp}: it has {listed}"
        return None, [
            source.error(4, title, label=f"the plan has tp = {tp}", fix="profile that degree too, or change the plan")
        ]
    files = {name: path for name in FILES if (path := degrees[tp] / name).is_file()}
    others = [degrees[n] / "moe.csv" for n in sorted(degrees) if (degrees[n] / "moe.csv").is_file()]
    if "moe.csv" not in files and others:
        files["moe.csv"] = others[0]
    if not files:
        title = (
            f"{WHAT} `{shown}` has none of {', '.join(f'`{name}`' for name in FILES)} for tensor parallelism of {tp}"
        )
        return None, [source.error(0, title)]
    said, found = _said(root, source)
    found += [source.error(5, f"{WHAT} `{shown}` {problem}", fix=fix) for problem, fix in _unlike(experiment, said)]
    alpha = yaml.at(said, "skew_fit", "per_tp", str(tp), "alpha_default")
    if alpha is not None and not (isinstance(alpha, int | float) and math.isfinite(alpha)):
        found.append(source.error(2, f"{WHAT} `{shown}/{META}`: `alpha_default` of {tp} is `{alpha}`, not a number"))
    return (None, found) if found else (Bundle(files, float(alpha or 0.0), source), [])


def _degrees(folder: Path) -> tuple[Path, dict[int, Path]]:
    """The bundle's root and its folders by degree; of a `tp…` folder, its parent and that degree alone."""
    inside = {int(m[1]): path for path in folder.iterdir() if path.is_dir() and (m := _DEGREE.match(path.name))}
    itself = _DEGREE.match(folder.name)
    if not inside and itself:
        return folder.parent, {int(itself[1]): folder}
    return folder, inside


def _said(root: Path, source: Source) -> tuple[dict[str, Any], list[Diagnostic]]:
    """What `meta.yaml` says; nothing if there is none."""
    path = root / META
    if not path.is_file():
        return {}, []
    try:
        return yaml.parse(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError) as reason:
        said = reason.strerror if isinstance(reason, OSError) else "it is not UTF-8 text"
        return {}, [source.error(0, f"{WHAT} `{source.name}/{META}` cannot be read: {said}")]


def _unlike(experiment: Experiment, said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """In what the profiled model differs from the experiment's. The shapes written are those of the last degree profiled."""
    degrees = yaml.at(dict(said), "tp_degrees")
    shapes = yaml.at(dict(said), "engine_effective", "hf_overrides")
    model, last = experiment.model, degrees[-1] if isinstance(degrees, list) and degrees else None
    if isinstance(shapes, dict) and isinstance(last, int) and last > 0:
        expected = {"vocab_size": model.vocab}
        if isinstance(model.attention, Gqa):
            expected |= {
                "num_attention_heads": model.attention.heads,
                "num_key_value_heads": max(model.attention.kv_heads, last),
            }
        for name, ours in expected.items():
            theirs = shapes.get(name)
            if isinstance(theirs, int) and theirs * last != ours:
                yield (
                    f"is of a model with `{name}` {theirs * last}, this one has {ours}",
                    "take a profile of this model",
                )
    variant = said.get("variant")
    if isinstance(variant, str):
        yield from _other_types(experiment, variant)


def _other_types(experiment: Experiment, variant: str) -> Iterator[tuple[str, str]]:
    """A variant is `bf16`, or `fp8-kvfp8` where the cache has a type of its own."""
    weights, _, cache = variant.partition("-kv")
    dtype = experiment.model.dtype
    for what, theirs, ours in (("weights", weights, dtype.weights), ("cache", cache or None, dtype.kv_cache)):
        if theirs in ("bf16", "fp16", "fp8", "fp32", "int8", "int4") and theirs != ours:
            yield f"was measured with {what} in {theirs}, this model's are in {ours}", "take a profile of that type"
