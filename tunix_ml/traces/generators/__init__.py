"""Seeded generators: families of problems whose every step can be recomputed."""
