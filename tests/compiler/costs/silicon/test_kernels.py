"""Times of products and mixtures: what was measured comes back, what lies between follows the law, the rest is said to be what it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moec.compiler.costs.roofline import Roofline
from moec.compiler.costs.silicon.grids import Line, Plane, never_less
from moec.compiler.costs.silicon.library import Library
from moec.compiler.costs.silicon.mixtures import Mixtures, Shape
from moec.compiler.costs.silicon.products import Products
from moec.compiler.ir.estimate import EXTRAPOLATED, INTERPOLATED, MEASURED
from moec.compiler.ir.kernels import ExpertFfn, Gemm
from moec.dsl.schema import Compute, Device
from support.silicon_tables import mixture_ms, mixtures, product_ms, products

H100 = Device(80e9, 3.35e12, Compute(989e12, fp8=1979e12), silicon="h100_sxm")


def counts(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def gemm(rows, n=1024, k=256, weights="bf16", batch=1):
    return Gemm(np.asarray(rows, dtype=float), n, k, weights, "bf16", batch)


class TestProducts:
    def test_a_measured_product_takes_what_was_measured(self, library):
        time, level = Products(library, H100).time(gemm([1, 64, 8192]))

        assert time == pytest.approx([1e6 * product_ms(m, 1024, 256) for m in (1, 64, 8192)])
        assert level.tolist() == [MEASURED] * 3

    def test_between_measured_rows_it_lies_between_them(self, library):
        time, level = Products(library, H100).time(gemm([48]))

        assert 1e6 * product_ms(32, 1024, 256) < time[0] < 1e6 * product_ms(64, 1024, 256)
        assert level.tolist() == [INTERPOLATED]

    def test_between_measured_widths_the_roofline_says_how_far(self, library):
        time, level = Products(library, H100).time(gemm([64], n=2048, k=1024))

        assert 1e6 * product_ms(64, 1024, 1024) < time[0] < 1e6 * product_ms(64, 4096, 1024)
        assert level.tolist() == [INTERPOLATED]

    def test_beyond_the_widths_it_is_extrapolated(self, library):
        _, level = Products(library, H100).time(gemm([64], n=8192))

        assert level.tolist() == [EXTRAPOLATED]

    def test_more_rows_never_take_less(self, library):
        time, _ = Products(library, H100).time(gemm(np.arange(1, 3000)))

        assert (np.diff(time) >= -1e-6).all()

    def test_an_outlier_is_bounded_by_larger_products(self, stand):
        rows = [r if (r["m"], r["n"], r["k"]) != (1, 256, 256) else {**r, "latency": 3.0} for r in products()]
        stand.write("h100_sxm", {("gemm", "vllm", "gemm"): rows})
        time, _ = Products(Library(stand.systems, "h100_sxm", "vllm"), H100).time(gemm([1], n=256))

        assert time == pytest.approx(1e6 * product_ms(2, 256, 256))

    def test_of_two_kernels_in_eight_bits_the_faster_counts(self, stand):
        rows = [*products("fp8", 0.9, "scaled"), *products("fp8_block", 0.6, "blocks")]
        stand.write("h100_sxm", {("gemm", "vllm", "gemm"): rows})
        time, _ = Products(Library(stand.systems, "h100_sxm", "vllm"), H100).time(gemm([64], weights="fp8"))

        assert time == pytest.approx(0.6e6 * product_ms(64, 1024, 256))

    def test_what_was_not_measured_has_no_time(self, library):
        found = Products(library, H100)

        assert found.time(gemm([64], weights="fp4")) is None
        assert found.time(gemm([64], batch=16)) is None


def experts(rows, active, *, hidden=2048, width=1024, weights="bf16"):
    return ExpertFfn(counts(*rows), counts(*active), hidden, width, True, weights, "bf16")


class TestMixtures:
    SHAPE = Shape(64, 8, 1)

    def test_tokens_dealt_out_evenly_take_what_was_measured(self, library):
        time, level = Mixtures(library, H100, self.SHAPE).time(experts([64, 8 * 512], [64, 64]))

        assert time == pytest.approx([1e6 * mixture_ms(64, 64), 1e6 * mixture_ms(64, 4096)])
        assert level.tolist() == [MEASURED] * 2

    def test_fewer_touched_experts_take_less_by_the_measured_law(self, library):
        time, level = Mixtures(library, H100, self.SHAPE).time(experts([256, 4096], [40, 60]))

        assert time == pytest.approx([1e6 * mixture_ms(40, 256 - 24), 1e6 * mixture_ms(60, 4096 - 4)])
        assert level.tolist() == [INTERPOLATED] * 2

    def test_token_counts_are_those_of_the_expert_parallel_group(self, library):
        half = Mixtures(library, H100, Shape(64, 8, 2))
        time, level = half.time(experts([8 * 512 / 2], [32]))  # 512 tokens of the group

        assert time == pytest.approx(1e6 * mixture_ms(32, 2048))
        assert level.tolist() == [MEASURED]

    def test_another_width_is_moved_by_the_roofline(self, library):
        kernel = experts([4096], [64], width=512)
        time, level = Mixtures(library, H100, self.SHAPE).time(kernel)
        model = Roofline()
        ratio = model.estimate(kernel, H100).time_ns / model.estimate(experts([4096], [64]), H100).time_ns

        assert time == pytest.approx(1e6 * mixture_ms(64, 4096) * ratio)
        assert level.tolist() == [EXTRAPOLATED]

    def test_another_hidden_size_has_no_time(self, library):
        assert Mixtures(library, H100, self.SHAPE).time(experts([64], [64], hidden=4096)) is None

    def test_a_type_that_only_another_engine_has_is_borrowed(self, stand, library):
        stand.write("h100_sxm", {("moe", "sglang", "moe"): mixtures("w4a8_mxfp4_mxfp8", factor=0.5)})
        eight = Mixtures(library, H100, Shape(64, 8, 1, eight_bits=True))
        time, level = eight.time(experts([4096], [64], weights="mxfp4"))

        assert time == pytest.approx(0.5e6 * mixture_ms(64, 4096))
        assert level.tolist() == [EXTRAPOLATED]
        assert Mixtures(library, H100, self.SHAPE).time(experts([4096], [64], weights="mxfp4")) is None

    def test_mixtures_without_a_gate_are_another_kernel(self, stand):
        rows = [*mixtures(), *mixtures(kernel="moe_torch_flow_nongated", factor=0.1)]
        stand.write("h100_sxm", {("moe", "vllm", "moe"): rows})
        library = Library(stand.systems, "h100_sxm", "vllm")
        time, _ = Mixtures(library, H100, self.SHAPE).time(experts([4096], [64]))

        assert time == pytest.approx(1e6 * mixture_ms(64, 4096))

    def test_a_power_law_has_touched_what_it_touches(self, stand):
        rows = [*mixtures(), *mixtures(distribution="power_law_1.2", factor=1.25)]
        stand.write("h100_sxm", {("moe", "vllm", "moe"): rows})
        library = Library(stand.systems, "h100_sxm", "vllm")
        time, _ = Mixtures(library, H100, Shape(64, 8, 1, skewed=True)).time(experts([4096], [30]))

        assert time == pytest.approx(1.25e6 * mixture_ms(64, 4096))

    def test_beyond_the_tokens_measured_time_grows_with_them(self, library):
        time, level = Mixtures(library, H100, self.SHAPE).time(experts([8 * 8192, 8 * 16384], [64, 64]))

        assert time[1] == pytest.approx(2 * time[0])
        assert level.tolist() == [MEASURED, EXTRAPOLATED]


class TestGrids:
    @given(st.lists(st.floats(0.1, 100), min_size=1, max_size=20))
    def test_cleaned_times_rise_and_never_exceed_the_measured_ones(self, times):
        cleaned = never_less(np.array(times))

        assert (np.diff(cleaned) >= 0).all()
        assert (cleaned <= times).all()
        assert cleaned[-1] == times[-1]

    def test_a_line_says_where_it_was_measured(self):
        line = Line(counts(1, 2, 4), counts(10, 20, 40))

        assert line.at(counts(2, 3, 8)).tolist() == [20, 30, 40]
        assert line.level(counts(2, 3, 8, 0.5)).tolist() == [MEASURED, INTERPOLATED, EXTRAPOLATED, EXTRAPOLATED]

    def test_a_corner_that_was_too_large_to_measure_is_continued_and_said_to_be(self):
        keys = counts(1, 1, 1, 2, 1, 4, 2, 1, 2, 2).reshape(-1, 2)
        times = np.array([8 + b * s for b, s in keys])
        plane = Plane.of(keys, times)
        time, level = plane.at(counts(2), counts(4))

        assert time.tolist() == [16]
        assert level.tolist() == [EXTRAPOLATED]

    @pytest.mark.parametrize(("x", "y"), [((3,), (1, 2)), ((1, 2), (3,)), ((3,), (5,))])
    def test_a_single_row_or_column_is_a_plane_too(self, x, y):
        keys = np.array([(a, b) for a in x for b in y], dtype=float)
        plane = Plane.of(keys, keys.sum(axis=1))

        assert plane.at(counts(x[0]), counts(y[0]))[0] == pytest.approx(x[0] + y[0])
