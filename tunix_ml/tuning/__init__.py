"""Tuning: what is done over training, inference and evaluation together."""
