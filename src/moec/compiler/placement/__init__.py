"""Which expert sits in which slot of which rank."""
