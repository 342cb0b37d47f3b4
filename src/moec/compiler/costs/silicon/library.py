"""The tables of one device and engine, each read when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moec.compiler.costs.silicon.package import table_path
from moec.compiler.costs.silicon.table_slices import Slice, Where, read_slice

ENGINES = ("vllm", "sglang", "trtllm")
"""Whose kernels were measured, in the order in which one lends another what it lacks: they call the same libraries. FlashInfer's
mixture with mxfp4 weights takes the same time in vLLM's and in SGLang's table to 1 %.
"""


@dataclass(frozen=True, slots=True)
class Library:
    """`root` is the package's `systems` folder, `device` a folder of its `data`."""

    root: Path
    device: str
    engine: str

    def rows(self, family: str, name: str, columns: tuple[str, ...], *where: tuple[str, str | int]) -> Slice | None:
        """Rows of a table that hold given values, times in nanoseconds; None without such rows."""
        path = table_path(self.root, self.device, family, self.engine, name)
        if path is None:
            return None
        conditions: Where = where
        found = read_slice(path, columns, conditions)
        return found if len(found.time_ns) else None

    @property
    def exists(self) -> bool:
        """Whether the package has any table of this device and engine."""
        return any((self.root / "data" / self.device).glob(f"*/{self.engine}/*/*.parquet"))
