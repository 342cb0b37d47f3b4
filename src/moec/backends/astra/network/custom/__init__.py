"""Collectives that are given as sets of sends: when each member is done."""
