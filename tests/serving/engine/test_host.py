"""Host time by hand: when iterations start and end, with and without an asynchronous host."""

from __future__ import annotations

import numpy as np
import pytest

from moec.serving.engine.host_time import Host
from support.serving_cases import Case, simulated
from support.serving_reference import Rules

ASYNC, SYNC = True, False


def times_of(host: Host, now: int, before: int, device: list[int], sequences: int = 0) -> tuple[list[int], list[int]]:
    made = host.schedule(now, before, np.array(device, dtype=np.int64), sequences)
    return made.scheduled.tolist(), made.ends.tolist()


def test_a_synchronous_host_works_before_every_iteration() -> None:
    """5 and 2 × 3 of host, then the device and a gap of 1."""
    assert times_of(Host(5, 3.0, 1, SYNC), 100, 100, [10, 20], 2) == ([100, 122], [122, 154])


def test_an_asynchronous_host_hides_behind_the_iteration_before() -> None:
    """Scheduled at 90 while one runs until 100; the next when that one ends, the third when the first does."""
    assert times_of(Host(5, 0.0, 1, ASYNC), 90, 100, [10, 20, 30]) == ([90, 100, 111], [111, 132, 163])


def test_after_idling_nothing_hides_the_host() -> None:
    assert times_of(Host(5, 0.0, 1, ASYNC), 90, 40, [10]) == ([90], [106])


def test_a_host_slower_than_the_device_sets_the_pace() -> None:
    """50 of host for 10 of device: iterations start at 50, 100, 150."""
    assert times_of(Host(50, 0.0, 0, ASYNC), 0, 0, [10, 10, 10]) == ([0, 50, 100], [60, 110, 160])


def test_the_fast_way_is_the_slow_one() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        device = rng.integers(20, 60, int(rng.integers(1, 9)))
        now, before = (int(x) for x in rng.integers(0, 80, 2))
        host = Host(int(rng.integers(0, 70)), 0.0, 0, ASYNC)
        scheduled, ends = [now], [max(before, now + host.step_ns) + int(device[0])]
        for time in device[1:].tolist():
            scheduled.append(max(ends[-2] if len(ends) > 1 else before, scheduled[-1] + host.step_ns))
            ends.append(max(ends[-1], scheduled[-1] + host.step_ns) + time)
        assert times_of(host, now, before, device.tolist()) == (scheduled, ends)


def served(requests: tuple[tuple[int, int, int], ...], **rules: object) -> list[tuple[int, int, int]]:
    """When each request (arrival, prompt, output) is scheduled, gives its first token and ends; iterations take 100."""
    fields = {
        "instances": 1, "dp": 1, "pp": 1, "max_sequences": 2, "max_batched_tokens": 64, "chunked": True, "block": 4,
        "kv_blocks": 100, "caching": False, "window": None, "dummy": False, "round_robin": False, "concurrency": None,
        "step_ns": 0, "sequence_ns": 0.0,
    }  # fmt: skip
    case = Case(Rules(**{**fields, **rules}), tuple((*r, None) for r in requests), equal_ns=100)  # type: ignore[arg-type]
    table = simulated(case)[0].requests
    return list(zip(table.scheduled_ns.tolist(), table.first_token_ns.tolist(), table.finish_ns.tolist(), strict=True))


@pytest.mark.parametrize(("asynchronous", "finish"), [(SYNC, 330), (ASYNC, 316)])
def test_three_tokens(asynchronous: bool, finish: int) -> None:
    """7 of host and 3 of gap: exposed three times, or only the first time."""
    rules = {"asynchronous": asynchronous, "step_ns": 7, "gap_ns": 3}
    assert served(((0, 4, 3),), **rules) == [(0, 110, finish)]


@pytest.mark.parametrize(("asynchronous", "first"), [(SYNC, 300), (ASYNC, 400)])
def test_an_arrival_waits_for_one_iteration_more_when_that_is_already_scheduled(asynchronous: bool, first: int) -> None:
    """It comes at 150, and at 200 the engine looks; by then an asynchronous one has scheduled the iteration to 300."""
    requests = ((0, 4, 10), (150, 4, 1))
    assert served(requests, asynchronous=asynchronous)[1] == (200, first, first)


@pytest.mark.parametrize(("asynchronous", "scheduled"), [(SYNC, 300), (ASYNC, 300)])
def test_a_place_is_free_when_the_last_token_is_out(asynchronous: bool, scheduled: int) -> None:
    """Three tokens until 300; an asynchronous host looks then, too, but an iteration without anything to do is none."""
    requests = ((0, 4, 3), (10, 4, 1))
    assert served(requests, asynchronous=asynchronous, max_sequences=1)[1] == (scheduled, 400, 400)


def test_a_place_that_gets_free_is_filled_one_iteration_late() -> None:
    """Two places; the request that leaves at 300 is not computed in the iteration to 400, but holds its place there."""
    requests = ((0, 4, 3), (0, 4, 9), (10, 4, 1))
    assert served(requests, asynchronous=SYNC)[2] == (300, 400, 400)
    assert served(requests, asynchronous=ASYNC)[2] == (300, 500, 500)


def test_admission_delays_the_engine_not_the_clock() -> None:
    (at,) = served(((0, 4, 2),), admission_ns=20, asynchronous=True)
    assert at == (20, 120, 220)
