"""`table(…)`: layer times from a CSV of MoEServingSim."""
