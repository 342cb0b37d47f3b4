"""Recorded requests: files of several formats, told apart by their content."""

from moec.serving.traces.read import read_trace
from moec.serving.traces.trace import Trace

__all__ = ["Trace", "read_trace"]
