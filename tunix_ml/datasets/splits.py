"""Splits: every prompt has its split for good, however the dataset grows."""

from collections.abc import Mapping

from tunix_ml.contracts.trace import SPLITS, Split
from tunix_ml.traces.prompts import prompt_fraction


def assign_split(prompt: str, shares: Mapping[Split, float]) -> Split:
    """Return the split of a prompt: its hash decides, so that equal prompts never part.

    Equal means equal after normalisation of case, white space and Unicode form.
    """
    fraction = prompt_fraction(prompt)
    upper = 0.0
    for split in SPLITS:
        upper += shares.get(split, 0.0)
        if fraction < upper:
            return split
    return next(split for split in reversed(SPLITS) if shares.get(split, 0.0) > 0)
