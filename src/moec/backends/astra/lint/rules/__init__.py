"""The rules by subject, each a way in which ASTRA-sim hangs, crashes or misleads."""
