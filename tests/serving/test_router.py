"""Which queue takes the next request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moec.dsl.schema import LeastLoaded, RoundRobinRouter, Router
from moec.serving.router import Choose, router_of
from support.cases import MODELS, experiment


def chooser(router: Router) -> Choose:
    e = experiment(MODELS["mixture"])
    return router_of(replace(e, serving=replace(e.serving, router=router)))


def test_round_robin_takes_each_queue_in_turn() -> None:
    choose = chooser(RoundRobinRouter())

    assert [choose([0, 0, 0], [9, 0, 0]) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_each_run_begins_its_turns_anew() -> None:
    assert chooser(RoundRobinRouter())([0, 0], [0, 0]) == chooser(RoundRobinRouter())([0, 0], [0, 0]) == 0


@pytest.mark.parametrize(
    ("waiting", "running", "queue"),
    [
        ([0, 0, 0], [0, 0, 0], 0),
        ([0, 0, 0], [2, 1, 1], 1),
        ([1, 0], [0, 3], 1),
        ([1, 0], [0, 4], 0),
        ([1, 0], [0, 5], 0),
    ],
)
def test_one_that_waits_counts_as_much_as_four_that_run(waiting: list[int], running: list[int], queue: int) -> None:
    assert chooser(LeastLoaded())(waiting, running) == queue
