"""Splits: every prompt has its split for good, however the dataset grows."""

import bisect
import itertools
from collections.abc import Iterable, Mapping

from tunix_ml.contracts.trace import SPLITS, Split
from tunix_ml.traces.prompts import prompt_fraction


def assign_split(prompt: str, shares: Mapping[Split, float]) -> Split:
    """Return the split of a prompt: its hash decides, so that equal prompts never part.

    Equal means equal after normalisation of case, white space and Unicode form.
    """
    return assign_splits([prompt], shares)[0]


def assign_splits(prompts: Iterable[str], shares: Mapping[Split, float]) -> list[Split]:
    """Return the split of each prompt."""
    return splits_of_fractions(map(prompt_fraction, prompts), shares)


def splits_of_fractions(fractions: Iterable[float], shares: Mapping[Split, float]) -> list[Split]:
    """Return the split of each number in [0, 1)."""
    uppers = list(itertools.accumulate(shares.get(split, 0.0) for split in SPLITS))
    # Shares that add up to a little less than 1 leave the largest fractions to the last split that has one.
    last = next(split for split in reversed(SPLITS) if shares.get(split, 0.0) > 0)
    splits = (*SPLITS, last)
    return [splits[bisect.bisect_right(uppers, fraction)] for fraction in fractions]
