"""The quality of a dataset version: duplicates, contamination, consistency, secrets, statistics, drift."""
