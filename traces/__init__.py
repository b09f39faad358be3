"""Traces: what nodes said to each other, recorded without personal values, and looked at."""
