"""The version of moec, which `pyproject.toml` repeats."""

VERSION = "0.1.0"
