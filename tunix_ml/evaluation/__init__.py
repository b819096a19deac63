"""Evaluation: answers extracted and compared, with the statistics to believe them."""
