"""What moec says to a user: spans, codes, rendering, nearest names, mistakes in CSV files."""

from moec.diagnostics.diagnostic import Diagnostic, Label, Refused, Report, Severity, Span, has_errors

__all__ = ["Diagnostic", "Label", "Refused", "Report", "Severity", "Span", "has_errors"]
