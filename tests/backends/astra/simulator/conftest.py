"""A trace folder that nothing needs to be able to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from moec.backends.astra.simulator.run_folder import TraceFolder
from moec.backends.astra.simulator.smoke import write_smoke


@pytest.fixture
def folder(tmp_path: Path) -> TraceFolder:
    """Traces of four ranks."""
    place = tmp_path / "traces"
    place.mkdir()
    return write_smoke(place, "aware", (4,))
