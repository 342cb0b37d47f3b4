"""From an AST to the typed schema: names, values, units, checks."""
