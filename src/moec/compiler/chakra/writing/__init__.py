"""From a graph to the bytes of its traces."""
