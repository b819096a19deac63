"""Asking a checkpoint: decoding, and the predictions for an evaluation set."""
