"""A profile gives what was measured at its points, what lies between them in between, and counts what lies beyond."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.backends.fast.backend import FastBackend
from moec.compiler.costs.profile.profile_costs import Profile, make
from moec.compiler.ir.batch import load_of
from moec.compiler.ir.estimate import LEVELS
from moec.compiler.ir.graph import Compute
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm
from moec.compiler.lower import context_of, lower, program_of
from moec.compiler.routing.law import routing_law
from moec.dsl.schema import Experiment, ProfileCosts
from support.bundles import DENSE, HEADS, attention_us, experts_us, points, write_bundle
from support.cases import GPU, MODELS, experiment, random_batch


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "gpu")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def profiled(bundle: Path, **plan: object) -> Experiment:
    return replace(experiment(**plan), costs=ProfileCosts(str(bundle), gap=0.0), directory=str(bundle.parent))  # type: ignore[arg-type]


def model(bundle: Path, **plan: object) -> Profile:
    profile, found = make(profiled(bundle, **plan))
    assert profile is not None
    assert [d.code for d in found if d.severity == "error"] == []
    return profile


def attention(*rows: tuple[float, float], heads: int = 16) -> Attention:
    """Of requests of `(new, context)` tokens on one rank."""
    from moec.compiler.ir.batch import RankBatch

    new, context = (np.array(x, dtype=np.int64) for x in zip(*rows, strict=True))
    s = load_of((RankBatch(new, context),))
    return Attention(
        s.chunks, s.chunk_tokens, s.pairs, s.chunk_kv, s.decodes, s.decode_kv, s.decode_max,
        heads, heads // 2, 64, 64, "bf16", "bf16",
    )  # fmt: skip


def us(profile: Profile, kernel: object, role: str) -> float:
    return float(np.squeeze(profile.estimate(kernel, GPU, role).time_ns)) / 1e3  # type: ignore[arg-type]


def level(profile: Profile, kernel: object, role: str) -> str:
    evidence = profile.estimate(kernel, GPU, role).evidence  # type: ignore[arg-type]
    return LEVELS[int(np.squeeze(evidence.level))]


def requests(chunk: int, cached: int, decodes: int, context: int) -> list[tuple[float, float]]:
    return [(chunk, cached)] * (chunk > 0) + [(1, context)] * decodes


def test_every_point_of_the_grid_is_what_was_measured(bundle: Path) -> None:
    profile = model(bundle)
    for point in points():
        kernel = attention(*requests(*point))
        assert us(profile, kernel, "attention") == pytest.approx(attention_us(*point), rel=1e-12)
        assert level(profile, kernel, "attention") == "measured"


def test_a_gap_follows_every_measured_kernel(bundle: Path) -> None:
    """One after a product, two after attention and its cache write, three after two norms and a rotation, seven after
    the mixture's kernels; none after what is modelled, and none without work.
    """
    e = profiled(bundle)
    near, far = (make(replace(e, costs=ProfileCosts(str(bundle), gap=gap)))[0] for gap in (0.0, 1e-6))
    assert near is not None
    assert far is not None
    rows = np.array([8.0])
    product, decodes = Gemm(rows, 7, 9, "bf16", "bf16"), attention((1, 64))
    mixture, none = ExpertFfn(rows, rows, 1024, 512, True, "bf16", "bf16"), Gemm(rows * 0, 7, 9, "bf16", "bf16")
    for kernel, role, gaps in (
        (product, "qkv_proj", 1), (decodes, "attention", 2), (Elementwise(rows, rows), "rope", 3),
        (mixture, "experts", 7), (product, "router", 0), (none, "qkv_proj", 0),
    ):  # fmt: skip
        assert us(far, kernel, role) - us(near, kernel, role) == pytest.approx(gaps)


@pytest.mark.parametrize(
    ("role", "layer", "calls"),
    [("qkv_proj", "qkv_proj", 1), ("o_proj", "o_proj", 1), ("lm_head", "lm_head", 1)],
)
def test_products_are_looked_up_by_their_rows_and_are_linear_between_points(
    bundle: Path, role: str, layer: str, calls: int
) -> None:
    start, each = {**DENSE, **HEADS}[layer]
    profile = model(bundle)
    for rows, grade in ((8, "measured"), (40, "interpolated")):
        kernel = Gemm(np.array([rows]), 7, 9, "bf16", "bf16")
        assert us(profile, kernel, role) == pytest.approx(calls * (start + each * rows))
        assert level(profile, kernel, role) == grade


def test_no_work_takes_no_time(bundle: Path) -> None:
    profile = model(bundle)
    nothing = np.zeros(1)
    assert us(profile, Gemm(nothing, 7, 9, "bf16", "bf16"), "qkv_proj") == 0
    assert us(profile, Elementwise(nothing, nothing), "attn_norm") == 0
    assert us(profile, ExpertFfn(nothing, nothing, 1024, 512, True, "bf16", "bf16"), "experts") == 0
    assert us(profile, Attention(*[nothing] * 7, 16, 8, 64, 64, "bf16", "bf16"), "attention") == 0


def test_a_layer_adds_up_to_what_the_profile_has_of_it(bundle: Path) -> None:
    profile = model(bundle)
    law, _ = routing_law(profiled(bundle))
    graph = lower(
        program_of(context_of(profiled(bundle), profile, law)), load_of(random_batch(np.random.default_rng(3), 1))
    )
    (layers,) = (b for b in graph.blocks if b.name.startswith("layers"))
    times = {op.name: float(np.squeeze(op.work.cost.time_ns)) for op in layers.ops if isinstance(op.work, Compute)}
    experts = next(op.work for op in layers.ops if op.name == "experts")
    assert isinstance(experts, Compute)
    kernel = experts.straggler
    assert isinstance(kernel, ExpertFfn)
    tokens = float(np.squeeze(kernel.rows)) / 4

    def dense(layer: str) -> float:
        start, each = DENSE[layer]
        return start + each * tokens

    block = experts_us(tokens, float(np.squeeze(kernel.active)))
    expected = 2 * dense("layernorm") + dense("qkv_proj") + dense("rotary_emb") + 2 * dense("qk_norm") + dense("o_proj")
    rest = sum(times.values()) - times["attention"]
    assert rest == pytest.approx((expected + block) * 1e3, abs=len(times))


def test_the_experts_of_a_rank_count_the_tokens_of_their_pairs(bundle: Path) -> None:
    """On an expert-parallel rank with half the experts: half the pairs, and the experts it touched."""
    profile = model(bundle, dp=2)
    whole, half = (ExpertFfn(np.array([4.0 * t]), np.array([8.0]), 1024, 512, True, "bf16", "bf16") for t in (128, 64))
    difference = us(profile, whole, "experts") - us(profile, half, "experts")
    assert 0.5 * 64 / 4 < difference <= 64 / 4  # the small kernels' share of it is theirs


def test_fewer_experts_than_measured_take_less_and_are_said_to_be_extrapolated(bundle: Path) -> None:
    profile = model(bundle)
    few, least = (ExpertFfn(np.array([16.0]), np.array([a]), 1024, 512, True, "bf16", "bf16") for a in (2.0, 4.0))
    assert us(profile, least, "experts") - us(profile, few, "experts") == pytest.approx(2 * 20)
    assert level(profile, few, "experts") == "extrapolated"
    (bound,) = (b for b in profile.estimate(few, GPU, "experts").evidence.beyond if b.below)
    assert (bound.axis, bound.limit) == ("activated experts", 4)


def test_rows_beyond_the_measured_ones_go_on_as_the_upper_half_does(bundle: Path) -> None:
    profile = model(bundle)
    kernel = Gemm(np.array([2048]), 7, 9, "bf16", "bf16")
    start, each = DENSE["qkv_proj"]
    assert us(profile, kernel, "qkv_proj") == pytest.approx(start + each * 2048)
    assert level(profile, kernel, "qkv_proj") == "extrapolated"


def test_a_prompt_beyond_the_grid_takes_time_by_its_pairs(bundle: Path) -> None:
    profile = model(bundle)
    kernel = attention((2048, 0))
    assert us(profile, kernel, "attention") == pytest.approx(attention_us(2048, 0, 0, 0), rel=0.05)
    assert level(profile, kernel, "attention") == "extrapolated"


def test_several_prompts_take_their_pairs_not_those_of_one_long_prompt(bundle: Path) -> None:
    profile = model(bundle)
    together = us(profile, attention(*[(64, 0)] * 8), "attention")
    assert us(profile, attention((64, 0)), "attention") < together < us(profile, attention((512, 0)), "attention") / 2
    assert together == pytest.approx(8 + 8 * 64 * 65 / 2 / 4096, rel=0.1)
    assert level(profile, attention(*[(64, 0)] * 8), "attention") == "interpolated"


def test_a_short_chunk_takes_what_the_shortest_measured_one_does(bundle: Path) -> None:
    profile = model(bundle)
    beside = [(1, 1024)] * 4
    assert us(profile, attention((2, 0), *beside), "attention") == pytest.approx(us(profile, attention((16, 0), *beside), "attention"), rel=0.01)  # fmt: skip


def test_uneven_contexts_go_a_share_of_the_way_to_the_longest(bundle: Path) -> None:
    profile = model(bundle)
    rows = [(1, 1024), (1, 512)]
    mean, longest = (us(profile, attention(*[(1, x)] * 2), "attention") for x in (768, 1024))
    assert us(profile, attention(*rows), "attention") == pytest.approx(mean + 0.5 * (longest - mean))


def test_uneven_contexts_take_no_more_than_the_longest_walk(bundle: Path) -> None:
    """One context takes 1 µs per 1024 tokens: the longest is 256 tokens longer than the mean. Beside a prompt all of it."""
    profile = model(bundle)
    rows = [(1, 1024), (1, 512)] * 4
    mean = us(profile, attention(*[(1, 768)] * 8), "attention")
    assert us(profile, attention(*rows), "attention") == pytest.approx(mean + 0.25)
    prompt = (64, 0)
    mixed = us(profile, attention(prompt, *[(1, 768)] * 2), "attention")
    assert us(profile, attention(prompt, *rows[:2]), "attention") == pytest.approx(mixed + 0.25)
    assert level(profile, attention(*rows), "attention") == "interpolated"


def test_a_share_that_cannot_be_is_clamped(bundle: Path) -> None:
    """−735 in the file: a batch is never faster than an even one."""
    rows = [(1, 4000), *[(1, 100)] * 15]
    mean = sum(x for _, x in rows) / 16
    assert us(model(bundle), attention(*rows), "attention") == pytest.approx(attention_us(0, 0, 16, mean))


def test_one_context_beyond_the_grid_makes_a_batch_extrapolated(bundle: Path) -> None:
    profile, kernel = model(bundle), attention((1, 6000), (1, 100), (1, 100))
    assert level(profile, kernel, "attention") == "extrapolated"
    beyond = {b.axis: b for b in profile.estimate(kernel, GPU, "attention").evidence.beyond}
    assert float(np.squeeze(beyond["context of decode tokens"].value)) == 6000


def test_decode_tokens_beside_a_prompt_are_bounded_apart(bundle: Path) -> None:
    """The grid has 64 decode tokens alone, and 16 beside a prompt."""
    profile = model(bundle)
    kernel = attention((64, 0), *[(1, 1024)] * 64)
    assert level(profile, attention(*[(1, 1024)] * 64), "attention") == "measured"
    assert level(profile, kernel, "attention") == "extrapolated"
    assert us(profile, kernel, "attention") == pytest.approx(attention_us(64, 0, 64, 1024))
    beyond = {b.axis: b for b in profile.estimate(kernel, GPU, "attention").evidence.beyond}
    assert beyond["decode tokens beside a prompt"].limit == 16


def test_kernels_of_other_roles_are_modelled(bundle: Path) -> None:
    profile = model(bundle)
    for role in ("router", "shared_down_proj", ""):
        assert level(profile, Gemm(np.array([8]), 512, 512, "bf16", "bf16"), role) == "modelled"
    assert level(profile, replace(attention((1, 64)), latent=True), "decode_attention") == "modelled"
    assert level(profile, attention((1, 64)), "window_attention") == "modelled"


def test_the_plan_chooses_the_degree(bundle: Path) -> None:
    kernel = Gemm(np.array([8]), 7, 9, "bf16", "bf16")
    assert us(model(bundle, tp=2), kernel, "qkv_proj") == us(model(bundle), kernel, "qkv_proj") / 2


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000), dp=st.sampled_from([1, 2]),
    case=st.sampled_from([("mixture", "none"), ("mixture", "two_batch"), ("dense", "none")]),
)  # fmt: skip
def test_the_serving_loop_and_the_graph_agree(bundle: Path, seed: int, dp: int, case: tuple[str, str]) -> None:
    name, overlap = case
    e = profiled(bundle, model=MODELS[name], dp=dp, overlap=overlap)
    costs, law = make(e)[0], routing_law(e)[0]
    assert costs is not None
    context, backend = context_of(e, costs, law), FastBackend.of(e)
    batch = random_batch(np.random.default_rng(seed), dp)
    whole = backend.run(lower(program_of(context), batch)).makespan_ns
    load = load_of(batch).map(lambda x: np.asarray(x)[None])
    assert int(np.squeeze(backend.steps(context).times(load).latency_ns)) == int(np.squeeze(whole))


@settings(deadline=None, max_examples=50)
@given(
    chunk=st.integers(0, 600), cached=st.integers(0, 3000), decodes=st.integers(0, 80), context=st.integers(1, 6000),
    more=st.integers(1, 500), which=st.sampled_from([0, 1, 2, 3]),
)  # fmt: skip
def test_more_work_never_takes_less_time(
    bundle: Path, chunk: int, cached: int, decodes: int, context: int, more: int, which: int
) -> None:
    smaller = [chunk + 2 * (chunk > 0), cached, decodes, context]
    larger = list(smaller)
    larger[which] += more
    if not smaller[0] and not smaller[2]:
        return
    profile = model(bundle)
    before, after = (us(profile, attention(*requests(*p)), "attention") for p in (smaller, larger))
    assert 0 < before <= after * (1 + 1e-9)
