"""Times of attention: what was measured comes back, what lies between follows the law, the rest is said to be what it is."""

from __future__ import annotations

import numpy as np
import pytest

from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.attentions import Attentions
from moec.compiler.costs.silicon.latents import Latents
from moec.compiler.costs.silicon.library import Library
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED
from moec.compiler.ir.kernels import Attention
from moec.dsl.schema import Compute, Device, Mla
from support.silicon_tables import decode_ms, prompt_ms

H100 = Device(80e9, 3.35e12, Compute(989e12, fp8=1979e12), silicon="h100_sxm")
NONE = np.zeros(())


def counts(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def decodes(number, context, heads=16, kv_heads=16):
    count, each = np.asarray(number, dtype=float), np.asarray(context, dtype=float)
    return Attention(NONE, NONE, NONE, NONE, count, count * each, each, heads, kv_heads, 128, 128, "bf16", "bf16")


def chunks(number, new, before=0.0, decoding=0.0, context=0.0):
    n, c, x = (np.asarray(v, dtype=float) for v in (number, new, before))
    d, k = np.asarray(decoding, dtype=float), np.asarray(context, dtype=float)
    pairs = n * (c * x + c * (c + 1) / 2)
    return Attention(n, n * c, pairs, n * (c + x), d, d * k, k, 16, 16, 128, 128, "bf16", "bf16")


class TestAttention:
    def test_decode_steps_follow_their_law_between_the_points(self, library):
        time, level = Attentions(library, H100, None).time(decodes([2, 5, 64], [1024, 700, 4096]), False)

        assert time == pytest.approx([1e6 * decode_ms(b, s) for b, s in ((2, 1024), (5, 700), (64, 4096))])
        assert level.tolist() == [MEASURED, INTERPOLATED, MEASURED]

    def test_beyond_the_contexts_measured_the_roofline_goes_on(self, library):
        time, level = Attentions(library, H100, None).time(decodes([64], [8192]), False)
        model = Roofline()
        ratio = (
            model.estimate(decodes([64], [8192]), H100).time_ns / model.estimate(decodes([64], [4096]), H100).time_ns
        )

        assert time == pytest.approx(1e6 * decode_ms(64, 4096) * ratio)
        assert level.tolist() == [EXTRAPOLATED]

    def test_whole_prompts_take_what_was_measured(self, library):
        time, level = Attentions(library, H100, None).time(chunks([1, 8], [1024, 128]), False)

        assert time == pytest.approx([1e6 * prompt_ms(1, 1024), 1e6 * prompt_ms(8, 128)])
        assert level.tolist() == [MEASURED] * 2

    def test_a_chunk_takes_what_the_whole_has_beyond_the_cached_part(self, library):
        time, _ = Attentions(library, H100, None).time(chunks([1], [3072], before=1024), False)
        floor = prompt_ms(1, 128)

        assert time == pytest.approx(1e6 * (prompt_ms(1, 4096) - prompt_ms(1, 1024) + floor))

    def test_chunks_and_decode_steps_share_a_launch(self, library):
        time, _ = Attentions(library, H100, None).time(chunks([1], [1024], decoding=8, context=1024), False)

        assert time == pytest.approx(1e6 * (prompt_ms(1, 1024) + decode_ms(8, 1024) - decode_ms(1, 128)))

    def test_nothing_to_do_takes_no_time(self, library):
        time, _ = Attentions(library, H100, None).time(decodes([0], [0]), False)

        assert time.tolist() == [0]

    def test_windows_have_tables_of_their_own(self, stand, library):
        found = Attentions(library, H100, 128)

        assert found.time(decodes([2], [1024]), False) is not None
        assert found.time(decodes([2], [128]), True) is None

    def test_heads_that_were_not_measured_have_no_time(self, library):
        assert Attentions(library, H100, None).time(decodes([2], [1024], heads=32), False) is None

    def test_all_heads_with_their_own_keys_stand_under_zero(self, library):
        assert Attentions(library, H100, None).time(decodes([2], [1024]), False) is not None


class TestLatents:
    DEEPSEEK = Mla(128, 512, 128, 64, 128, q_rank=1536)

    def table(self, stand, engine):
        rows = [
            {"kernel_source": "fa3", "num_heads": 16, "kv_cache_dtype": "bfloat16", "batch_size": b, "step": s - 1, "latency": decode_ms(b, s)}
            for b in (1, 8, 64) for s in (128, 1024, 4096)
        ]  # fmt: skip
        stand.write("h100_sxm", {("mla", engine, "generation_mla"): rows})
        return Library(stand.systems, "h100_sxm", "vllm" if engine == "vllm" else "sglang")

    def kernel(self):
        return Attention(
            NONE,
            NONE,
            NONE,
            NONE,
            counts(8),
            counts(8 * 1024),
            counts(1024),
            16,
            1,
            576,
            512,
            "bf16",
            "bf16",
            latent=True,
        )

    def test_the_core_takes_what_was_measured(self, stand):
        time, level = Latents(self.table(stand, "sglang"), H100, self.DEEPSEEK).time(self.kernel(), "decode_attention")

        assert time == pytest.approx(1e6 * decode_ms(8, 1024))
        assert level.tolist() == [MEASURED]

    def test_an_engine_without_cores_borrows_them(self, stand):
        self.table(stand, "sglang")
        mine = Library(stand.systems, "h100_sxm", "vllm")
        time, level = Latents(mine, H100, self.DEEPSEEK).time(self.kernel(), "decode_attention")

        assert time == pytest.approx(1e6 * decode_ms(8, 1024))
        assert level.tolist() == [EXTRAPOLATED]

    def test_other_widths_were_not_measured(self, stand):
        other = Mla(128, 256, 128, 64, 128, q_rank=1536)

        assert Latents(self.table(stand, "sglang"), H100, other).time(self.kernel(), "decode_attention") is None
