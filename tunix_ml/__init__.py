"""Traces, datasets, training, decoding and scoring in plain Python and JAX, without an orchestrator."""
