"""ASTRA-sim as a backend: its configurations, the user's binary, private runs and what they said."""
