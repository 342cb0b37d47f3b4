"""Comparison of simulated serving with measured serving."""
