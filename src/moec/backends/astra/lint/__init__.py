"""What is wrong with a trace set: a table of rules, each a way in which ASTRA-sim hangs, crashes or misleads."""
