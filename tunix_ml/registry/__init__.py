"""Registry: all runs side by side."""
