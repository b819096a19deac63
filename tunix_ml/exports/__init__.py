"""Exports: traces as text for a model, and text as token ids."""
