"""Reading the package's tables: which version, which rows, which unit; what is kept for the next time."""

from __future__ import annotations

import numpy as np
import pytest

from moec.compiler.costs.silicon import package
from moec.compiler.costs.silicon import table_slices as tables
from moec.compiler.costs.silicon.table_slices import read_slice
from support.silicon_tables import product_ms, products

COLUMNS = ("n", "k", "m")
BF16 = ("gemm_dtype", "bfloat16")


def path_of(stand):
    return package.table_path(stand.systems, "h100_sxm", "gemm", "vllm", "gemm")


def fresh(stand, where=(BF16,)):
    read_slice.cache_clear()
    package.table_path.cache_clear()
    return read_slice(path_of(stand), COLUMNS, where)


def test_the_package_is_found_without_being_run(stand):
    assert package.systems() == stand.systems


def test_without_the_package_there_is_nothing_to_find(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "find_spec", lambda name: None)

    assert package.systems() is None
    assert package.devices() == []


def test_the_current_version_is_read_though_a_newer_one_has_single_kernels(stand):
    for version in ("0.19.0", "0.24.0", "0.25.0"):
        stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()}, version)
    package.table_path.cache_clear()

    assert path_of(stand).parent.name == "0.24.0"


def test_without_the_current_version_the_newest_is_read(stand):
    for version in ("1.3.0rc3", "1.3.0rc10", "1.2.0"):
        stand.write("h100_sxm", {("gemm", "trtllm", "gemm"): products()}, version)
    package.table_path.cache_clear()

    assert package.table_path(stand.systems, "h100_sxm", "gemm", "trtllm", "gemm").parent.name == "1.3.0rc10"


def test_milliseconds_become_nanoseconds(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    found = fresh(stand)
    row = (found.keys == (256, 1024, 8)).all(axis=1)

    assert found.time_ns[row] == pytest.approx(product_ms(8, 256, 1024) * 1e6)


def test_other_types_stay_out(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): [*products(), *products("fp8", 0.5)]})

    assert fresh(stand).time_ns.sum() == pytest.approx(2 * fresh(stand, (("gemm_dtype", "fp8"),)).time_ns.sum())


def test_repeats_of_a_kernel_become_their_median(stand):
    rows = [{**products()[0], "latency": t} for t in (5.0, 1.0, 2.0)]
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): rows})
    found = fresh(stand)

    assert found.time_ns.tolist() == [2e6]
    assert found.repeats == 1


def test_of_several_kernels_the_fastest_counts(stand):
    rows = [
        {**products()[0], "latency": t, "kernel_source": k} for t, k in ((4.0, "slow"), (6.0, "slow"), (4.5, "fast"))
    ]
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): rows})

    assert fresh(stand).time_ns.tolist() == [4.5e6]


def test_times_that_are_none_are_dropped_and_counted(stand):
    rows = [{**products()[0], "m": m, "latency": t} for m, t in ((1, 2.0), (2, 0.0), (4, float("nan")), (8, -1.0))]
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): rows})
    found = fresh(stand)

    assert found.keys[:, 2].tolist() == [1]
    assert found.dropped == 3


def test_a_column_that_an_older_table_lacks_has_one_value_throughout(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})

    assert len(fresh(stand, (BF16, ("window_size", 0))).time_ns) == len(fresh(stand).time_ns)
    assert not len(fresh(stand, (BF16, ("window_size", 128))).time_ns)


def test_a_slice_is_read_back_without_its_table_being_parsed(stand, monkeypatch):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    first = fresh(stand)
    monkeypatch.setattr(tables, "_read", lambda *_: pytest.fail("the table was parsed again"))
    again = fresh(stand)

    assert np.array_equal(first.keys, again.keys)
    assert np.array_equal(first.time_ns, again.time_ns)


def test_another_content_is_another_slice(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    first = fresh(stand)
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products(factor=2.0)})

    assert fresh(stand).time_ns == pytest.approx(2 * first.time_ns)


def test_a_damaged_cache_is_made_anew(stand, tmp_path):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    first = fresh(stand)
    for file in (tmp_path / "cache" / "moec").glob("silicon-*.npz"):
        file.write_bytes(b"no archive")

    assert np.array_equal(fresh(stand).time_ns, first.time_ns)


def test_groups_split_by_columns(stand):
    stand.write("h100_sxm", {("gemm", "vllm", "gemm"): products()})
    groups = fresh(stand).groups("n", "k")

    assert len(groups) == 9
    assert groups[256, 4096].columns == ("m",)
    assert groups[256, 4096].time_ns[0] == pytest.approx(product_ms(1, 256, 4096) * 1e6)
