"""The texts of ASTRA-sim's configuration files, made from settings by the templates beside this module."""

from __future__ import annotations

from moec.backends.astra.files.settings import ENDPOINT_DELAY_NS, OPTIMIZATION, SCHEDULING, AstraSettings

SYSTEM, NETWORK, MEMORY = "system.json", "network.yml", "memory.json"
GROUPS = "comm_groups.json"
CUSTOM_MAP = "custom.yml"
"""File names inside a trace folder. The simulator takes any path that holds `empty` for no group file at all."""
LOCAL_MEMORY_RATE = 1_000_000_000_000
"""Bytes per nanosecond of local memory: so much that reductions take no time, which the links' figures have in them."""

ALL_TO_ALL = "direct"
"""The simulator's `ring` sends every block around the whole ring, N/2 times the traffic."""
PEAK_TFLOPS = "0.0009999999999999"
"""A hair less than one operation per nanosecond. The simulator computes floor(n / peak · 1e9) in doubles: with 0.001 itself,
one in 45 of the first million durations (15, 30, 60, 63 …) comes out 1 ns short; with this none does up to 9e12 ns.
"""


def configs(settings: AstraSettings) -> dict[str, str]:
    """File name to text: `system.json`, `network.yml`, `memory.json`.

    Computing takes exactly as many nanoseconds as a kernel's node has operations.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # rather slow to import, and few runs need it

    environment = Environment(
        loader=PackageLoader("moec.backends.astra.files"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["decimal"] = decimal
    environment.filters["names"] = lambda names: "[" + ", ".join(f'"{name}"' for name in names) + "]"
    values = {
        "s": settings,
        "scheduling": SCHEDULING,
        "optimization": OPTIMIZATION,
        "endpoint_delay_ns": ENDPOINT_DELAY_NS,
        "local_memory_rate": LOCAL_MEMORY_RATE,
        "custom_map": CUSTOM_MAP,
        "all_to_all": (ALL_TO_ALL,) * len(settings.dimensions),
        "peak_tflops": PEAK_TFLOPS,
    }
    names = (SYSTEM, NETWORK, MEMORY)
    return {name: environment.get_template(f"{name}.j2").render(values) for name in names}


def decimal(value: float) -> str:
    """The shortest text that reads back as the same number, without an exponent."""
    text = repr(float(value))
    if "e" in text:
        text = f"{value:.30f}".rstrip("0")
        text += "0" if text.endswith(".") else ""
    return text.removesuffix(".0")
