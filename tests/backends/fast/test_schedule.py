"""Max-plus evaluation of hand-built graphs, whose ops may run on some ranks only and on any engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.critical_path import critical_path
from moec.backends.fast.schedule import evaluate
from moec.backends.fast.timing import timing
from moec.backends.timeline import timeline
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.graph import ENGINES, Block, Collective, Compute, Engine, Graph, Op
from moec.compiler.ir.kernels import Elementwise

Times = list[list[np.ndarray]]
KERNEL = Compute(
    Elementwise(np.ones(1)), Estimate(np.ones(1), np.zeros(1), "modelled")
)  # its time is given to `evaluate`


@dataclass(frozen=True)
class Pipeline:
    """Ping-pong: `lanes` micro-batches go `repeats` times through attention, out, experts and back, on two sets of ranks."""

    lanes: int
    repeats: int
    attention: int
    out: int
    experts: int
    back: int
    attention_ranks: int = 1
    expert_ranks: int = 1

    @property
    def works(self) -> tuple[int, int, int, int]:
        """How long a lane keeps each of the four engines busy in one repeat."""
        return self.attention, self.out, self.experts, self.back

    @property
    def period(self) -> int:
        """From one repeat to the next: the busiest engine serves all lanes, or a lane goes all the way round."""
        return max(self.lanes * max(self.works), sum(self.works))

    @property
    def total(self) -> int:
        """The first lane's way, the other repeats, and the other lanes behind the slowest engine."""
        return sum(self.works) + (self.repeats - 1) * self.period + (self.lanes - 1) * max(self.works)

    def graph(self) -> tuple[Graph, Times]:
        """Stage by stage, lane by lane: op `stage · lanes + lane`."""
        a, world = self.attention_ranks, self.attention_ranks + self.expert_ranks
        exchange = Collective("all_gather", "both", np.ones((1, 1)))
        stages: list[tuple[str, Engine, object, tuple[int, int] | None]] = [
            ("attention", "compute", KERNEL, (0, a)),
            ("dispatch", "comm", exchange, None),
            ("experts", "compute", KERNEL, (a, world)),
            ("combine", "back", exchange, None),
        ]
        ops, times = [], []
        for number, (name, engine, work, on) in enumerate(stages):
            for lane in range(self.lanes):
                deps = ((number - 1) * self.lanes + lane,) if number else ()
                ops.append(Op(name, work, engine, deps, () if deps else (lane,), on=on))  # type: ignore[arg-type]
                times.append(np.array([[self.works[number]]]))
        exits = tuple(3 * self.lanes + lane for lane in range(self.lanes))
        block = Block("layers", self.repeats, tuple(ops), exits, 0, world)
        return Graph(world, {"both": np.arange(world)[None]}, (block,), self.lanes), [times]


works = st.integers(1, 60)
pipelines = st.builds(
    Pipeline, st.integers(1, 6), st.integers(1, 61), works, works, works, works, st.integers(1, 3), st.integers(1, 3)
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(pipelines, st.lists(st.tuples(works, works, works, works), min_size=20, max_size=40))
def test_a_ping_pong_pipeline_takes_what_the_law_says(like: Pipeline, busy: list[tuple[int, int, int, int]]) -> None:
    """period = max(m · max w, Σ w), T = Σ w + (L − 1) · period + (m − 1) · max w.

    Where m ≥ 2 (1 + T_c / T_f) and attention and experts take equally long, that is T_total of MegaScale-Infer
    (arXiv 2504.02263).
    """
    graph, (times,) = like.graph()
    some = [replace(like, attention=a, out=d, experts=e, back=c) for a, d, e, c in busy]  # evaluated all at once
    many = [np.stack(column) for column in zip(*(p.graph()[1][0] for p in some), strict=True)]
    assert len(many) == len(times)
    done = timing(graph, evaluate(graph, [many], detail=False))
    assert done.makespan_ns.tolist() == [p.total for p in some]


def test_one_engine_for_both_directions_takes_longer() -> None:
    pipeline = Pipeline(3, 40, 100, 80, 90, 80)
    graph, times = pipeline.graph()
    (block,) = graph.blocks
    half_duplex = replace(
        block, ops=tuple(replace(op, stream="comm") if op.stream == "back" else op for op in block.ops)
    )
    slower = replace(graph, blocks=(half_duplex,))
    assert int(timing(slower, evaluate(slower, times, detail=False)).makespan_ns) > 1.3 * pipeline.total


def test_repeats_of_a_pipeline_are_not_run_one_by_one() -> None:
    """A million layers of ops that run on some ranks only."""
    pipeline = Pipeline(3, 1_000_000, 7, 5, 11, 3, 2, 3)
    graph, times = pipeline.graph()
    done = evaluate(graph, times, detail=True)
    assert int(timing(graph, done).makespan_ns) == pipeline.total
    assert done.ops[0].start_ns.shape[-2] < 20


@dataclass(frozen=True)
class Case:
    graph: Graph
    times: Times


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Random blocks on two to five ranks: any engine, ops on parts of the ranks, exchanges of those parts."""
    ranks, lanes = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    groups: dict[str, np.ndarray] = {"all": np.arange(ranks)[None]}
    blocks, times = [], []
    for number in range(draw(st.integers(1, 2))):
        repeat, ops, spans = draw(st.integers(1, 9)), list[Op](), list[np.ndarray]()
        vary = draw(st.booleans()) and draw(st.booleans())
        for i in range(draw(st.integers(lanes, 8))):
            first = draw(st.integers(0, ranks - 1))
            on = draw(st.sampled_from([None, (first, draw(st.integers(first + 1, ranks)))]))
            width = ranks if on is None else on[1] - on[0]
            engine = draw(st.sampled_from(ENGINES))
            deps = tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=2)))) if i else ()
            enters = tuple(sorted(draw(st.sets(st.integers(0, lanes - 1), min_size=0 if deps else 1, max_size=2))))
            work: object = KERNEL
            if draw(st.booleans()):
                name = f"{number}.{i}"
                groups[name] = np.arange(*(on or (0, ranks)))[None]
                work, width = Collective("all_gather", name, np.ones((1, 1))), 1
            rows = repeat if vary else 1
            flat = draw(st.lists(st.integers(0, 20), min_size=rows * width, max_size=rows * width))
            spans.append(np.array(flat, dtype=np.int64).reshape(rows, width))
            ops.append(Op(f"op{i}", work, engine, deps, enters, on=on))  # type: ignore[arg-type]
        exits = tuple(draw(st.integers(0, len(ops) - 1)) for _ in range(lanes))
        blocks.append(Block(f"block{number}", repeat, tuple(ops), exits, 0, ranks))
        times.append(spans)
    return Case(Graph(ranks, groups, tuple(blocks), lanes), times)


def walked(case: Case) -> np.ndarray:
    """When each rank finishes, by walking through ops and ranks one at a time."""
    world = range(case.graph.world)
    free = {(engine, r): 0 for engine in ENGINES for r in world}
    left = {(lane, r): 0 for lane in range(case.graph.lanes) for r in world}
    for block, spans in zip(case.graph.blocks, case.times, strict=True):
        for repeat in range(block.repeat):
            entry, ends = dict(left), dict[tuple[int, int], int]()
            for i, op in enumerate(block.ops):
                mine = list(range(*(op.on or (0, block.ranks))))
                row = spans[i][repeat if len(spans[i]) > 1 else 0]
                ready = {
                    r: max(
                        [free[op.stream, r], *(ends.get((d, r), 0) for d in op.deps), *(entry[k, r] for k in op.enters)]
                    )
                    for r in mine
                }
                for place, r in enumerate(mine):
                    last = max(ready.values()) if isinstance(op.work, Collective) else ready[r]
                    ends[i, r] = free[op.stream, r] = last + int(row[place if len(row) > 1 else 0])
            for lane, i in enumerate(block.exits):
                left.update({(lane, r): ends.get((i, r), 0) for r in world})
    return np.array([max([left[k] for k in left if k[1] == r] + [free[k] for k in free if k[1] == r]) for r in world])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(cases())
def test_ops_on_some_ranks_are_evaluated_as_if_rank_by_rank(case: Case) -> None:
    done = timing(case.graph, evaluate(case.graph, case.times, detail=False))
    assert done.finish_ns.tolist() == walked(case).tolist()


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_timeline_shows_ops_where_they_run(case: Case) -> None:
    done = timing(case.graph, evaluate(case.graph, case.times, detail=True))
    for event in timeline(case.graph, done):
        op = case.graph.blocks[event.block].ops[event.op]
        assert op.on is None or op.on[0] <= event.rank < op.on[1]
        assert event.end_ns <= done.finish_ns[event.rank]


@settings(max_examples=60, deadline=None)
@given(pipelines)
def test_the_critical_path_of_a_pipeline_has_no_gap(pipeline: Pipeline) -> None:
    graph, times = pipeline.graph()
    path = critical_path(graph, timing(graph, evaluate(graph, times, detail=True)))
    ends = [0, *(step.end_ns for step in path)]
    assert [step.start_ns for step in path] == ends[:-1]
    assert ends[-1] == pipeline.total


def test_a_kernel_elsewhere_than_on_the_compute_engine_is_not_compute_time() -> None:
    """Exposed is what the busiest rank's compute engine does not cover: one that rests while memory computes covers nothing."""
    ops = (Op("a", KERNEL, "compute", enters=(0,)), Op("b", KERNEL, "pim", deps=(0,)))
    graph = Graph(1, {}, (Block("layer", 4, ops, (1,), 0, 1),))
    done = timing(graph, evaluate(graph, [[np.array([[3]]), np.array([[5]])]], detail=False))
    assert (int(done.makespan_ns), int(done.exposed_ns)) == (32, 20)


def exchange_slowed(talks: Sequence[tuple[int, int]]) -> int:
    """How long a kernel of 100 ns takes on rank 0 of two, at half speed beside exchanges of rank 1 alone or of both."""
    ops = [Op("start", KERNEL, "compute", enters=(0,))]
    ops += [
        Op(f"talk{i}", Collective("all_gather", f"g{i}", np.ones((1, 1))), "comm", (0,), on=on)
        for i, on in enumerate(talks)
    ]
    ops.append(Op("kernel", KERNEL, "compute", (0,)))
    groups = {f"g{i}": np.arange(*on)[None] for i, on in enumerate(talks)}
    graph = Graph(2, groups, (Block("layer", 1, tuple(ops), (len(ops) - 1,), 0, 2),))
    times = [[np.array([[0, 0]]), *(np.array([[40]]) for _ in talks), np.array([[100, 0]])]]
    return int(timing(graph, evaluate(graph, times, detail=False, interference=0.5)).finish_ns[0])


@pytest.mark.parametrize(("talks", "ends"), [([(1, 2)], 100), ([(0, 2)], 120), ([(0, 2), (1, 2)], 120)])
def test_exchanges_slow_kernels_of_the_ranks_that_take_part(talks: list[tuple[int, int]], ends: int) -> None:
    assert exchange_slowed(talks) == ends
