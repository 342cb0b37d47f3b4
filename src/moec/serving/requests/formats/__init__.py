"""Recorded requests: files of several formats, told apart by their content."""

from moec.serving.requests.formats.detect import read_trace
from moec.serving.requests.formats.request_trace import Trace

__all__ = ["Trace", "read_trace"]
