"""The project's scripts as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """scripts/<name>.py, loaded once."""
    if name not in sys.modules:
        found = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        assert found is not None and found.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
    return sys.modules[name]
