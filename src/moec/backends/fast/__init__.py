"""Max-plus evaluation of a graph, and its partial evaluation for the serving loop."""
