"""A recorded run of an engine, made of a simulation's own results."""

from __future__ import annotations

import json
from pathlib import Path

from moec.dsl.load import load
from moec.run.session import open_session, simulate

WALL, OWN = 1.7e9, 4321.5
"""Where the two clocks of such a file begin: arrivals on the wall's, all else on the engine's own."""


def record(spec: Path, folder: Path, *, overrides: tuple[str, ...] = (), slower: float = 1.0) -> list[dict]:
    """Writes what a simulation of `spec` did as `requests.jsonl`, all but the arrivals `slower` times as late."""
    experiment, report = load(spec, overrides=overrides)
    assert experiment is not None, report
    session, _ = open_session(experiment)
    assert session is not None
    results, _ = simulate(session)
    assert results is not None
    t, zero = results.requests, int(results.requests.arrival_ns.min())
    lines = [
        {
            "request_id": f"bench-{t.request_id[i]}",
            "input_toks": int(t.input_tokens[i]),
            "output_toks": int(t.output_tokens[i]),
            "arrival_time": WALL + (int(t.arrival_ns[i]) - zero) / 1e9,
            "queued_ts": OWN + (int(t.scheduled_ns[i]) - zero) / 1e9 * slower,
            "scheduled_ts": OWN + (int(t.scheduled_ns[i]) - zero) / 1e9 * slower,
            "first_token_ts": OWN + (int(t.first_token_ns[i]) - zero) / 1e9 * slower,
            "last_token_ts": OWN + (int(t.finish_ns[i]) - zero) / 1e9 * slower,
        }
        for i in range(len(t.request_id))
    ]
    folder.mkdir(exist_ok=True)
    write(folder, lines)
    return lines


def write(folder: Path, lines: list[dict]) -> None:
    """The lines as `requests.jsonl`."""
    (folder / "requests.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
