"""From an experiment and a batch to a graph of operations, and from a graph to Chakra traces."""
