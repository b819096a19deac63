"""Sign-flip test: how often the toss of a coin for each item makes as large a difference of two runs."""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

EXACT_UP_TO = 16
# Sums are taken in whole numbers, of at most so many bits for each difference.
_BITS = 12


class SignFlip(NamedTuple):
    """The two-sided p-value, and whether every assignment of signs was counted."""

    p_value: float
    is_exact: bool


def sign_flip_test(differences: Sequence[float], *, seed: int = 0, num_flips: int = 10_000) -> SignFlip:
    """Return how probable a mean difference at least this far from 0 is when each sign is a toss of a coin.

    All assignments of signs are counted for at most 16 differences that are not 0; else `num_flips` seeded
    ones are drawn, and the observed one counts among them, so that p is never 0.

    Source: B. Phipson and G. K. Smyth, Permutation p-values should never be zero, 2010.
    """
    largest = max(map(abs, differences), default=0.0)
    # 0.3 - (0.1 + 0.2) is not 0, but no difference either.
    nonzero = [difference for difference in differences if abs(difference) > 1e-12 * largest]
    if len(nonzero) <= EXACT_UP_TO:
        return SignFlip(_exact(nonzero), is_exact=True)
    return SignFlip(_sampled(_units(nonzero), seed, num_flips), is_exact=False)


def _exact(differences: Sequence[float]) -> float:
    sums = [0.0]
    for difference in differences:
        sums = [total + signed for total in sums for signed in (difference, -difference)]
    # Sums that are equal but for rounding count as equal.
    threshold = abs(math.fsum(differences)) - 1e-12 * math.fsum(map(abs, differences))
    return sum(abs(total) >= threshold for total in sums) / len(sums)


def _units(differences: Sequence[float]) -> list[int]:
    """Return the differences as whole numbers: exact where all are multiples of the least, else rounded.

    Rounding to a 4096th of the largest makes another statistic, for which the test is as valid, and which
    differs from the sum by far less than chance moves that.
    """
    least, largest = min(map(abs, differences)), max(map(abs, differences))
    multiples = [difference / least for difference in differences]
    if largest / least < 1 << _BITS and all(abs(found - round(found)) < 1e-9 for found in multiples):
        return [round(found) for found in multiples]
    return [round(difference / largest * (1 << _BITS)) for difference in differences]


def _sampled(units: Sequence[int], seed: int, num_flips: int) -> float:
    """Add up a draw by counting, for each bit of the units, how many of those that have it stay positive."""
    rng = random.Random(seed)  # noqa: S311 - resampling, no secret
    planes = [(bit, mask) for bit in range(_BITS + 1) if (mask := _plane(units, bit))]
    total, observed = sum(map(abs, units)), abs(sum(units))
    hits = 0
    for _ in range(num_flips):
        signs = rng.getrandbits(len(units))
        positive = sum((signs & mask).bit_count() << bit for bit, mask in planes)
        hits += abs(2 * positive - total) >= observed
    return (hits + 1) / (num_flips + 1)


def _plane(units: Sequence[int], bit: int) -> int:
    """Return the number whose i-th bit is this bit of the i-th unit's size."""
    return sum(1 << place for place, unit in enumerate(units) if abs(unit) >> bit & 1)
