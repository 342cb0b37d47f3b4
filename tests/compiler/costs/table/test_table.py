"""A table gives what was measured, says what is odd about it, and refuses what it cannot mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moec.compiler.costs.table.outliers import outliers, windows_of
from moec.compiler.costs.table.table_costs import LayerTable, make
from moec.compiler.ir.estimate import LEVELS
from moec.compiler.ir.kernels import Attention, Elementwise, ExpertFfn, Gemm
from moec.diagnostics import Diagnostic
from moec.dsl.schema import Gqa, Model, Moe, TableCosts
from support.cases import DENSE, GPU, MODELS, experiment

HEADER = "hardware,model,layer_name,input,kv_cache,latency(ns)"
LAYERS = {
    "vocab_embedding": 70, "input_layernorm": 60, "attention/qkv": 80, "attention/rotary_emb": 130, "attention/dense": 55,
    "post_layernorm": 61, "moe/gate": 62, "moe/experts": 410, "moe/shared_expert": 500, "ln_f": 58, "lm_head": 400,
}  # fmt: skip
"""Microseconds of one token; each further one takes a tenth of a microsecond more."""
MIXTURE = Model(6, 1024, 32000, Gqa(16, 8, 64), None, Moe(16, 4, 512, shared=1))
CORE = 300


def layer_ns(layer: str, tokens: int) -> int:
    return 1000 * LAYERS[layer] + 100 * (tokens - 1)


def core_ns(tokens: int, cached: int) -> int:
    return 1000 * CORE + 200 * (tokens - 1) + 10 * cached


def lines() -> Iterator[str]:
    for tokens in range(1, 65):
        for layer in LAYERS:
            yield f"gpu,m,{layer},{tokens},0,{layer_ns(layer, tokens)}"
        yield f"gpu,m,attention/wrapper,{tokens},0,{wrapper_ns(tokens, 0)}"
    for cached in range(1, 65):
        for layer in LAYERS:
            yield f"gpu,m,{layer},1,{cached},{layer_ns(layer, 1)}"
        yield f"gpu,m,attention/wrapper,1,{cached},{wrapper_ns(1, cached)}"


def wrapper_ns(tokens: int, cached: int) -> int:
    return core_ns(tokens, cached) + sum(
        layer_ns(x, tokens) for x in ("attention/qkv", "attention/rotary_emb", "attention/dense")
    )


def table(
    folder: Path, text: str | None = None, model: Model = MIXTURE, **plan: int
) -> tuple[LayerTable | None, list[Diagnostic]]:
    (folder / "gpu.csv").write_text("\n".join([HEADER, *lines()]) + "\n" if text is None else text)
    e = replace(experiment(model, **plan), costs=TableCosts(str(folder / "gpu.csv")), directory=str(folder))  # type: ignore[arg-type]
    return make(e)


def made(folder: Path, model: Model = MIXTURE) -> LayerTable:
    costs, _ = table(folder, model=model)
    assert costs is not None
    return costs


def ns(costs: LayerTable, kernel: object, role: str) -> float:
    return float(np.squeeze(costs.estimate(kernel, GPU, role).time_ns))  # type: ignore[arg-type]


def level(costs: LayerTable, kernel: object, role: str) -> str:
    return LEVELS[int(np.squeeze(costs.estimate(kernel, GPU, role).evidence.level))]  # type: ignore[arg-type]


def gemm(rows: float) -> Gemm:
    return Gemm(np.array([rows]), 512, 1024, "bf16", "bf16")


def attention(prompts: list[int], contexts: list[int], cached: int = 0) -> Attention:
    """`contexts` count the new token, as kernels do."""
    c = np.array([float(len(prompts))]), np.array([float(sum(prompts))])
    pairs = np.array([sum(p * cached + p * (p + 1) / 2 for p in prompts)])
    n, total, most = (np.array([float(x)]) for x in (len(contexts), sum(contexts), max(contexts, default=0)))
    return Attention(*c, pairs, c[1], n, total, most, 16, 8, 64, 64, "bf16", "bf16")


@pytest.mark.parametrize(
    ("role", "layer"),
    [("qkv_proj", "attention/qkv"), ("o_proj", "attention/dense"), ("router", "moe/gate"), ("lm_head", "lm_head")],
)
def test_layers_are_looked_up_by_their_tokens(tmp_path: Path, role: str, layer: str) -> None:
    costs = made(tmp_path)
    assert ns(costs, gemm(7), role) == layer_ns(layer, 7)
    assert ns(costs, gemm(7.5), role) == pytest.approx((layer_ns(layer, 7) + layer_ns(layer, 8)) / 2)
    assert ns(costs, gemm(0), role) == 0
    assert [level(costs, gemm(n), role) for n in (7, 7.5, 70)] == ["measured", "interpolated", "extrapolated"]


def test_experts_count_the_tokens_of_their_pairs(tmp_path: Path) -> None:
    kernel = ExpertFfn(np.array([4.0 * 9]), np.array([8.0]), 1024, 512, True, "bf16", "bf16")
    assert ns(made(tmp_path), kernel, "experts") == layer_ns("moe/experts", 9)


def test_the_shared_experts_parts_are_what_was_timed_in_one(tmp_path: Path) -> None:
    costs, rows = made(tmp_path), np.array([5.0])
    parts = [
        ns(costs, gemm(5), "shared_gate_up_proj"), ns(costs, Elementwise(rows * 3072, rows), "shared_act"),
        ns(costs, gemm(5), "shared_down_proj"),
    ]  # fmt: skip
    assert sum(parts) == pytest.approx(layer_ns("moe/shared_expert", 5))
    assert min(parts) > 0


def test_attention_is_what_its_wrapper_takes_besides_the_projections(tmp_path: Path) -> None:
    costs = made(tmp_path)
    assert ns(costs, attention([], [31]), "attention") == pytest.approx(core_ns(1, 30))
    assert ns(costs, attention([20], []), "attention") == pytest.approx(core_ns(20, 0))
    assert level(costs, attention([20], []), "attention") == "measured"


def test_requests_are_attended_to_one_after_the_other_as_they_were_measured(tmp_path: Path) -> None:
    costs = made(tmp_path)
    kernel = attention([20, 30], [31, 11])
    expected = 2 * core_ns(1, 20) + 2 * core_ns(25, 0) * (20 * 21 + 30 * 31) / (2 * 25 * 26)
    assert ns(costs, kernel, "attention") == pytest.approx(expected)
    assert level(costs, kernel, "attention") == "extrapolated"
    bound = costs.estimate(kernel, GPU, "attention").evidence.beyond[0]
    assert (bound.axis, bound.limit, float(np.squeeze(bound.value))) == ("requests attended to at once", 1.0, 4.0)


def test_cached_tokens_before_a_prompt_were_never_measured(tmp_path: Path) -> None:
    costs = made(tmp_path)
    assert level(costs, attention([20], [], cached=40), "attention") == "extrapolated"
    assert ns(costs, attention([20], [], cached=40), "attention") > ns(costs, attention([20], []), "attention")


def test_other_ops_are_modelled(tmp_path: Path) -> None:
    costs = made(tmp_path)
    assert level(costs, gemm(4), "q_b_proj") == "modelled"
    assert level(costs, Elementwise(np.array([4.0]), np.array([4.0])), "top_k") == "modelled"


def test_a_dense_models_network_is_the_tables_mlp(tmp_path: Path) -> None:
    text = "\n".join([HEADER, "gpu,m,mlp/fc,1,0,5000", "gpu,m,mlp/gelu,1,0,6000", "gpu,m,mlp/proj,1,0,7000"])
    costs, _ = table(tmp_path, text, DENSE)
    assert costs is not None
    assert ns(costs, gemm(1), "gate_up_proj") == 5000
    assert ns(costs, gemm(1), "down_proj") == 7000
    other, _ = table(tmp_path, text, MODELS["interleaved"])  # its table's mlp/… are the shared expert's
    assert other is not None
    assert level(other, gemm(1), "gate_up_proj") == "modelled"


def warnings(found: list[Diagnostic]) -> dict[str, str]:
    assert all(d.severity == "warning" for d in found)
    return {d.code: d.title for d in found}


def test_what_a_table_holds_twice_and_lacks_is_said(tmp_path: Path) -> None:
    said = warnings(table(tmp_path)[1])
    assert said["M578"] == (
        "the table `gpu.csv` has `attention/wrapper` besides `attention/qkv`, `attention/rotary_emb`, `attention/dense`, "
        "which it contains: only what it takes besides is attention (its median: 306 us more than they)"
    )
    assert said["M576"] == "the table `gpu.csv` has no times for `top_k`, `moe_sum`, `sample`"
    assert set(said) == {"M576", "M578"}


def test_several_times_for_one_point_are_said_and_the_median_taken(tmp_path: Path) -> None:
    again = "".join(f"gpu,m,lm_head,9,0,{t}\n" for t in (500_000, 400_800))
    costs, found = table(tmp_path, "\n".join([HEADER, *lines()]) + "\n" + again)
    assert costs is not None
    assert "has several times for one point (`lm_head`): their median is taken" in warnings(found)["M577"]
    assert ns(costs, gemm(9), "lm_head") == 400_800


def test_a_line_that_is_repeated_is_nothing_to_say(tmp_path: Path) -> None:
    again = f"gpu,m,lm_head,9,0,{layer_ns('lm_head', 9)}\n"
    assert "M577" not in warnings(table(tmp_path, "\n".join([HEADER, *lines()]) + "\n" + again)[1])


def test_stretches_that_stand_out_are_left_out_and_said(tmp_path: Path) -> None:
    def disturbed(line: str) -> str:
        *start, layer, tokens, cached, time = line.split(",")
        busy = tokens in ("36", "37", "38", "39") and cached == "0"
        return ",".join([*start, layer, tokens, cached, str(int(time) * 3 if busy else time)])

    costs, found = table(tmp_path, "\n".join([HEADER, *map(disturbed, lines())]) + "\n")
    assert costs is not None
    assert (
        "stretches of 12 layers that take over 1.3 times what their neighbours do, most often 36 to 39: they are left out"
        in warnings(found)["M579"]
    )
    assert ns(costs, gemm(37), "qkv_proj") == pytest.approx(layer_ns("attention/qkv", 37))
    assert level(costs, gemm(37), "qkv_proj") == "interpolated"


def test_a_step_is_not_an_outlier() -> None:
    step = np.concatenate([np.full(30, 10.0), np.full(30, 20.0)])
    assert not outliers(step).any()
    assert not outliers(np.arange(1.0, 100.0)).any()
    assert not outliers(np.array([1.0, 9.0, 1.0])).any()  # too few to tell


def test_windows_read_as_a_reader_writes_them() -> None:
    points = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert windows_of(points, np.array([True, True, False, True, False])) == ["1 to 2", "8"]


def test_an_unknown_layer_is_said(tmp_path: Path) -> None:
    text = "\n".join([HEADER, *lines(), "gpu,m,attent1ion/wrapper,1,0,5000"])
    titles = [d.title for d in table(tmp_path, text)[1] if d.code == "M576"]
    assert titles[0] == "the table `gpu.csv` has layers that no op takes: `attent1ion/wrapper`"


Damage = Callable[[str], str]
MISTAKES: dict[str, tuple[Damage, str, str]] = {
    "another header": (lambda t: t.replace("latency(ns)", "latency(us)"), "M571", "line 1: the header is `hardware,model,layer_name,input,kv_cache,latency(us)`, not"),
    "nothing": (lambda t: "", "M571", "line 1: the header is ``"),
    "a comment": (lambda t: "# to do", "M571", "line 1: the header is `# to do`"),
    "a header alone": (lambda t: HEADER, "M571", "the table `gpu.csv` has a header and no rows"),
    "a line cut off": (lambda t: t + "gpu,m,ln_f", "M572", "3 fields instead of 6"),
    "no tokens": (lambda t: t + "gpu,m,ln_f,,58,7480", "M572", "`input` is empty"),
    "0 tokens": (lambda t: t + "gpu,m,ln_f,0,58,7480", "M572", "`input` is `0`, and no layer runs on no tokens"),
    "half a token": (lambda t: t + "gpu,m,ln_f,1.5,58,7480", "M572", "`input` is `1.5`, not a whole number from 0"),
    "no name": (lambda t: t + "gpu,m,,1,58,7480", "M572", "`layer_name` is empty"),
    "no time": (lambda t: t + "gpu,m,ln_f,1,58,", "M572", "`latency(ns)` is empty"),
    "nan": (lambda t: t + "gpu,m,ln_f,1,58,nan", "M572", "`latency(ns)` is `nan`, not a number"),
    "a negative time": (lambda t: t + "gpu,m,ln_f,1,58,-1", "M572", "`latency(ns)` is `-1`, not above 0"),
    "another model": (lambda t: t + "gpu,other,ln_f,1,58,1", "M573", "`other` on `gpu`, after lines of `m` on `gpu`"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, name: str) -> None:
    damage, code, title = MISTAKES[name]
    costs, found = table(tmp_path, damage("\n".join([HEADER, *lines()]) + "\n"))
    assert costs is None
    assert [d.code for d in found] == [code]
    assert title in found[0].title


def test_whole_layers_cannot_be_split(tmp_path: Path) -> None:
    costs, (error,) = table(tmp_path, tp=2)
    assert costs is None
    assert error.code == "M574"
    assert error.title == "the table `gpu.csv` has the times of whole layers, the plan splits them over 2 devices"
