"""A simulated run beside the recorded run of a real engine."""
