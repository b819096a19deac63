"""The decoder: its configuration, its computation, and its exchange format."""
