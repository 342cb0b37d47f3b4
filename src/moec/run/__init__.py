"""An experiment opened, served, explained by phases, and written out as traces."""
