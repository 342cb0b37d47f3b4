"""Figures as text, JSON, CSV; nothing here computes a time."""
