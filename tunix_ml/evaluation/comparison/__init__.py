"""Comparison: two runs side by side."""
