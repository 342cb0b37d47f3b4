"""A measured row that can be compared, for tests to change."""

from __future__ import annotations

from moec.study.silicon.rows import Row

ROW = Row(
    "a", "source_file=2026-03-25.csv; silicon_concurrency=4; measured=2026-03-27T08:01:51Z", "vllm", "0.18.0",
    "openai/gpt-oss-120b", "h100_sxm", "fp4", 1024, 1024, 4, 2, 1, 2, 1, 1, 60.0, 5.0,
)  # fmt: skip
