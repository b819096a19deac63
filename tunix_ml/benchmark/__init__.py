"""How fast the engine trains and decodes here, beside a matrix product and beside transformers + torch."""
