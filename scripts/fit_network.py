"""Fits launch, latency and efficiency of scale-up links to measured collectives and prints what is left over.

The measurements are NCCL's times in the package aiconfigurator-core 0.12.0 (NVIDIA, Apache-2.0), see `fit_roofline.py`:

    python scripts/fit_network.py [--data DIRECTORY]

The model is that of `moec.backends.network.alpha_beta` inside one node. Three figures a link for all collectives, 2 to 8 GPUs
and 8 KB to 256 MB; the logarithm of model ÷ measurement in least squares, outliers damped beyond 10 %. The newest NCCL
version of each GPU; sizes count elements of two bytes. Left out: L40S with 4 and 8 GPUs, 5 and 20 times slower than with
2, because their traffic crosses the bridges of the measured host.
"""

from __future__ import annotations

import argparse
import importlib.resources
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from moec.backends.network.alpha_beta import Network, Tier, alltoall_ns, collective_ns
from moec.compiler.ir.graph import Outer

FAMILIES = {
    "nvlink3": (300.0, ("a100_sxm",)),
    "nvlink4": (450.0, ("h100_sxm", "h200_sxm")),
    "nvlink5": (900.0, ("b200_sxm", "b300_sxm", "gb200", "gb300")),
    "pcie5": (64.0, ("rtx_pro_6000_server",)),
    "pcie4": (32.0, ("l40s",)),
}
"""Bytes per nanosecond and direction of the data sheet; the GPUs that have the link."""
SIZES = {"to 64 KB": 2**16, "to 1 MB": 2**20, "to 16 MB": 2**24, "over 16 MB": 2**40}


def measured(systems: Path, gpu: str) -> pd.DataFrame:
    """Columns op_name, num_gpus, bytes, us."""
    version = max(
        (systems / "data" / gpu / "comm" / "nccl").iterdir(), key=lambda p: tuple(map(int, p.name.split(".")))
    )
    frame = pd.read_parquet(version / "nccl_perf.parquet")
    frame = frame[(frame.nccl_dtype == "half") & (frame.num_gpus > 1) & (frame.num_gpus <= 8)]
    if gpu == "l40s":
        frame = frame[frame.num_gpus == 2]
    frame = frame.assign(bytes=frame.message_size * 2.0, us=frame.latency * 1e3)
    frame = frame[(frame.bytes >= 2**13) & (frame.bytes <= 2**28)]
    return frame.groupby(["op_name", "num_gpus", "bytes"], as_index=False).us.median()


def model_us(frame: pd.DataFrame, link: Tier) -> np.ndarray:
    """The model's times of a table."""
    out = np.zeros(len(frame))
    for (op, size), index in frame.reset_index(drop=True).groupby(["op_name", "num_gpus"]).groups.items():
        volume = frame.bytes.to_numpy()[index][:, None]
        net, members = Network(link, None, int(size)), np.arange(size)[None, :]
        if op == "alltoall":
            sent = np.repeat(volume[..., None], size, axis=-1)
            even = Outer(sent, np.full_like(sent, 1 / size), np.ones(len(sent)))
            out[index] = alltoall_ns(even, members, net)[:, 0]
        else:
            out[index] = collective_ns(op, volume, members, net)[:, 0]
    return out / 1e3


def fit(frames: list[pd.DataFrame], rate: float) -> Tier:
    """The link's tier: rate × efficiency, latency, launch."""
    frame = pd.concat(frames)

    def tier(x: np.ndarray) -> Tier:
        efficiency, latency, launch = np.exp(x)
        return Tier(rate * efficiency, latency, launch)

    def residual(x: np.ndarray) -> np.ndarray:
        return np.log(model_us(frame, tier(x)) / frame.us.to_numpy())

    top = (0.0, 12.0, 12.0)
    start = np.log([0.6, 800.0, 6000.0])
    return tier(least_squares(residual, start, loss="soft_l1", f_scale=0.1, bounds=(-8, top)).x)


def cells(frame: pd.DataFrame, link: Tier) -> str:
    """Median and 90th percentile of |model ÷ measurement − 1| and its median, in all and by size."""
    error = model_us(frame, link) / frame.us.to_numpy() - 1
    place = np.searchsorted(list(SIZES.values()), frame.bytes.to_numpy())
    parts = [error] + [error[place == i] for i in range(len(SIZES))]
    return "".join(
        f"{100 * np.median(abs(e)):8.0f}{100 * np.quantile(abs(e), 0.9):5.0f}{100 * np.median(e):+5.0f}" for e in parts
    )


def main() -> None:
    """Fits, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="the package's `systems` directory")
    systems = parser.parse_args().data or Path(str(importlib.resources.files("aiconfigurator_core"))) / "systems"
    print(
        f"{'':24}"
        + "".join(f"{name:>18}" for name in ("all sizes", *SIZES))
        + "   (median |e|, p90 |e|, median e in %)"
    )
    for family, (rate, gpus) in FAMILIES.items():
        frames = {gpu: measured(systems, gpu) for gpu in gpus}
        link = fit(list(frames.values()), rate)
        print(
            f"{family}: efficiency = {link.rate / rate:.3f}, latency = {link.latency_ns:.0f} ns, launch = {link.launch_ns:.0f} ns"
        )
        for gpu, frame in frames.items():
            for op in sorted(frame.op_name.unique()):
                mine = frame[frame.op_name == op]
                print(f"  {gpu[:8]:9}{op:15}{cells(mine, link)}")


if __name__ == "__main__":
    main()
