"""Chakra execution traces: the schema, fast writing and reading."""
