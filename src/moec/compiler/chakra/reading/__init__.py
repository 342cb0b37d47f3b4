"""From the bytes of a trace of any schema to columns."""
