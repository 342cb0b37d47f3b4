"""A device with tables that follow written laws."""

from __future__ import annotations

import pytest

from moec.compiler.costs.silicon.library import Library
from support.silicon_tables import Stand, whole_device


@pytest.fixture
def stand(tmp_path, monkeypatch):
    """The package's stand-in, found as the package would be; an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    return Stand(tmp_path / "site")


@pytest.fixture
def library(stand):
    """Of the stand-in's H100 and vLLM."""
    stand.write("h100_sxm", whole_device())
    return Library(stand.systems, "h100_sxm", "vllm")
