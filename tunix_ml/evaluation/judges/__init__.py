"""Judges: models asked what a text is worth, behind one protocol."""
