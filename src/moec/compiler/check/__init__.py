"""Whether a plan can be right: with the model, the cluster, the engine and the memory."""
