"""From characters to an AST, with every slip of the pen named."""
