"""Which queue takes the next request."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moec.dsl.schema import LeastLoaded, RoundRobinRouter, Router
from moec.serving.queues import Queues, Target, queues_of
from moec.serving.router import Choose, router_of
from support.cases import MODELS, experiment


def chooser(router: Router) -> Choose:
    e = experiment(MODELS["mixture"])
    return router_of(replace(e, serving=replace(e.serving, router=router)))


def queues(waiting: list[int], running: list[int]) -> Queues:
    """Queues of instances with one rank each."""
    made = queues_of([1] * len(waiting))
    made.waiting[:], made.running[:] = waiting, running
    return made


def test_round_robin_takes_each_queue_in_turn() -> None:
    choose = chooser(RoundRobinRouter())

    assert [choose(queues([0, 0, 0], [9, 0, 0])).instance for _ in range(5)] == [0, 1, 2, 0, 1]


def test_each_run_begins_its_turns_anew() -> None:
    unused = queues([0, 0], [0, 0])
    assert chooser(RoundRobinRouter())(unused) == chooser(RoundRobinRouter())(unused) == Target(0, 0)


def test_instances_may_have_unlike_numbers_of_ranks() -> None:
    unlike = queues_of([2, 1, 3])
    choose = chooser(RoundRobinRouter())

    assert unlike.firsts == (0, 2, 3)
    assert [choose(unlike) for _ in range(6)] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]


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
    assert chooser(LeastLoaded())(queues(waiting, running)) == Target(queue, 0)
