"""One vLLM engine: scheduler, KV cache, host time, steps under way."""
