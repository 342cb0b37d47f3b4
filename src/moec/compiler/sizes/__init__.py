"""What a model weighs: ranks, parameters, activations, KV blocks."""
