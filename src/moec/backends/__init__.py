"""Who times a graph: the fast estimator, ASTRA-sim itself, and what both are asked."""
