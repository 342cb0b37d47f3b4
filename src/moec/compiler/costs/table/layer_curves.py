"""A table's layers as curves: what stands out left out, what contains others without them, and both said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.compiler.costs.profile.curve import Curve
from moec.compiler.costs.table.layers import ATTENTION, CONTAINS, KNOWN, SHARED
from moec.compiler.costs.table.outliers import outliers, windows_of
from moec.compiler.costs.table.rows import Measured

SHOWN = 6
"""Stretches or layers that a message lists."""

LEAST = 0.1
"""What is left of a layer without those that it contains, at least."""

Said = list[tuple[int, str, str]]
"""Last digit of a warning's code, what it says, and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class AttentionCurves:
    """Attention without its projections: `alone` by the tokens of a prompt, `cached` by those in the cache of one decode."""

    alone: Curve
    cached: Curve


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """`layers`: times by tokens; `attention` is None where the table has none."""

    layers: Mapping[str, Curve]
    attention: AttentionCurves | None


def curves_of(rows: Mapping[str, Measured]) -> tuple[Curves, Said]:
    """The curves, and what was found wrong with the measurements."""
    said: Said = []
    out: dict[str, list[str]] = {}
    layers = {name: _cleaned(name, "tokens", rows[name].over_input(), out) for name in rows}
    attention = _attention(rows[ATTENTION], layers, out) if ATTENTION in rows else None
    said += _repeated(rows)
    said += _nested(rows, layers)
    said += _standing_out(out)
    unknown = [f"`{name}`" for name in rows if name not in KNOWN]
    if unknown:
        said.append((6, f"has layers that no op takes: {_some(unknown)}", f"known are {', '.join(sorted(KNOWN))}"))
    return Curves(layers, attention), said


def _attention(wrapper: Measured, layers: Mapping[str, Curve], out: dict[str, list[str]]) -> AttentionCurves | None:
    """Both curves of attention; None when one of them has no point."""
    prompts, decodes = wrapper.alone(), wrapper.over_cache()
    if not len(prompts[0]) or not len(decodes[0]):
        return None
    inside = [layers[name] for name in CONTAINS[ATTENTION] if name in layers]
    alone = _cleaned(ATTENTION, "prompt tokens", prompts, out)
    cached = _cleaned(f"{ATTENTION}, decodes", "context of decode tokens", decodes, out)
    return AttentionCurves(_without(alone, inside, None), _without(cached, inside, 1.0))


def _cleaned(name: str, axis: str, curve: tuple[Array, Array], out: dict[str, list[str]]) -> Curve:
    """The curve without the points that stand out of it, which are noted in `out`."""
    points, times = curve
    wrong = outliers(times)
    if wrong.any():
        out[name] = windows_of(points, wrong)
    return Curve(axis, points[~wrong], times[~wrong])


def _without(curve: Curve, inside: list[Curve], tokens: float | None) -> Curve:
    """What a layer takes besides those inside it, at its own tokens or at so many."""
    at = curve.points if tokens is None else np.full(len(curve.points), tokens)
    rest = curve.times - sum(part.at(at) for part in inside)
    return Curve(curve.axis, curve.points, np.maximum(rest, LEAST * curve.times))


def _repeated(rows: Mapping[str, Measured]) -> Iterator[tuple[int, str, str]]:
    found = [(name, measured.repeated) for name, measured in rows.items() if measured.repeated]
    if found:
        total = sum(n for _, n in found)
        layers = _some([f"`{name}`" for name, _ in found])
        times = f"{total} points" if total > 1 else "one point"
        yield 7, f"has several times for {times} ({layers}): their median is taken", "keep one line for each"


def _nested(rows: Mapping[str, Measured], layers: Mapping[str, Curve]) -> Iterator[tuple[int, str, str]]:
    """That a layer was timed around others, so that their sum would count them twice."""
    for name, parts in CONTAINS.items():
        inside = [part for part in parts if part in rows] or [p for p in CONTAINS[SHARED] if p in rows]
        if name not in rows or not inside:
            continue
        points = layers[name].points
        rest = layers[name].times - sum(layers[part].at(points) for part in inside)
        listed = _some([f"`{part}`" for part in inside])
        used = "only what it takes besides is attention" if name == ATTENTION else "they are taken, not it"
        median = float(np.median(rest)) / 1e3
        extra = (
            f"{median:,.0f} us more than they"
            if median >= 0
            else f"{-median:,.0f} us less than they, so not around them"
        )
        yield 8, f"has `{name}` besides {listed}, which it contains: {used} (its median: {extra})", ""


def _standing_out(out: Mapping[str, list[str]]) -> Iterator[tuple[int, str, str]]:
    if not out:
        return
    count: dict[str, int] = {}
    for windows in out.values():
        for window in windows:
            count[window] = count.get(window, 0) + 1
    most = sorted(count, key=lambda window: -count[window])
    total = sum(map(len, out.values()))
    layers = f"{len(out)} layers" if len(out) > 1 else "one layer"
    title = (
        f"has {total} stretches of {layers} that take over 1.3 times what their neighbours do, most often {_some(most)}"
    )
    yield 9, f"{title}: they are left out", "something else ran on the device then; measure these counts again"


def _some(items: list[str]) -> str:
    return ", ".join(items[:SHOWN]) + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")
