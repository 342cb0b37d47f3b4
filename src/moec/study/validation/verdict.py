"""Whether a simulated run is near enough to a recorded one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moec.diagnostics import Diagnostic
from moec.study.validation.compare import Comparison

BANDS: Mapping[str, tuple[str, float]] = {
    "tpot": ("mean time per output token", 0.02),
    "ttft": ("mean time to first token, from the arrival", 0.08),
    "makespan": ("makespan", 0.02),
    "ttft_mape": ("time to first token of a request, mean absolute error", 0.15),
}
"""What a verdict looks at, and how far off it may be by default: docs/validation.md says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One band and what was found; `error` may be negative, except for a mean absolute error."""

    name: str
    what: str
    error: float
    band: float

    @property
    def met(self) -> bool:
        """Within the band, its edge included."""
        return abs(self.error) <= self.band


def bands_of(given: Sequence[str]) -> tuple[dict[str, float], list[Diagnostic]]:
    """The bands with those that were `given` as `name=percent` in place of the defaults."""
    bands, found = {name: band for name, (_, band) in BANDS.items()}, []
    for text in given:
        name, _, value = text.partition("=")
        try:
            percent = float(value.strip().removesuffix("%"))
        except ValueError:
            percent = math.nan
        if name.strip() not in BANDS or not 0 <= percent < math.inf:
            help = f"write `--band NAME=PERCENT`; names are {', '.join(f'`{n}`' for n in BANDS)}"
            found.append(Diagnostic("M090", f"`--band {text}` is no band", help=help))
        else:
            bands[name.strip()] = percent / 100
    return bands, found


def verdict(comparison: Comparison, bands: Mapping[str, float]) -> tuple[Check, ...]:
    """Every band with its error."""
    figures = comparison.figures
    errors = {
        "tpot": figures["mean_tpot"].error,
        "ttft": figures["mean_ttft"].error,
        "makespan": figures["makespan"].error,
        "ttft_mape": comparison.each["ttft"].mape,
    }
    return tuple(Check(name, what, errors[name], bands[name]) for name, (what, _) in BANDS.items())
