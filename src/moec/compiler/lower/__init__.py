"""From a scheduled batch to the graph of one iteration."""

from moec.compiler.lower.assemble import program_of
from moec.compiler.lower.context import Context, context_of
from moec.compiler.lower.instantiate import lower
from moec.compiler.lower.program import Program

__all__ = ["Context", "Program", "context_of", "lower", "program_of"]
