"""Which experts tokens choose, and what a number of tokens does to every rank."""
