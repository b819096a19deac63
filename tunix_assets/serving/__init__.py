"""Serving on this machine alone: the published site, and Dagster's pages behind a guard."""
