"""The serving simulation: requests, engines, and the loop in which time advances."""
