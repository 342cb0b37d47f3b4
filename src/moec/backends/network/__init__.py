"""How long bytes take on tiers of links, by the α-β model."""
