"""Datasets: from recipes and traces to immutable, split, documented dataset versions."""
