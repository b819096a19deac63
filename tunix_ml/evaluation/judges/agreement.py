"""Agreement of two raters beyond what chance would give them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tunix_ml.evaluation.statistics.estimates import Z_95


class Kappa(NamedTuple):
    """Cohen's kappa with its asymptotic 95 % interval, within -1..1."""

    value: float
    low: float
    high: float


def cohens_kappa(counts: Sequence[Sequence[int]]) -> Kappa | None:
    """Return the agreement of two raters about the same cases, None where chance would be perfect already.

    That is so where both raters always give one and the same category: there is nothing to agree about. Where
    they agree about everything else, the interval has no width, however few the cases are.

    Args:
        counts: cases by category of the first rater (rows) and of the second (columns), a square table.

    Raises:
        ValueError: the table is not square, or holds no case.

    Source: J. Cohen, A coefficient of agreement for nominal scales, 1960; its standard error from J. L.
    Fleiss, J. Cohen and B. S. Everitt, Large sample standard errors of kappa and weighted kappa, 1969.
    """
    total = sum(map(sum, counts))
    if total < 1 or any(len(row) != len(counts) for row in counts):
        raise ValueError(f"kappa needs a square table of at least one case, got {counts}")
    shares = [[count / total for count in row] for row in counts]
    rows, columns = (
        [math.fsum(row) for row in shares],
        [math.fsum(column) for column in zip(*shares, strict=True)],
    )
    by_chance = math.fsum(row * column for row, column in zip(rows, columns, strict=True))
    if any(sum(row) == row[i] == total for i, row in enumerate(counts)):
        return None
    agreed = math.fsum(shares[i][i] for i in range(len(shares)))
    kappa = (agreed - by_chance) / (1 - by_chance)
    variance = _variance(shares, rows, columns, kappa=kappa, by_chance=by_chance) / total
    half = Z_95 * math.sqrt(max(variance, 0.0))  # rounding may take it below zero
    return Kappa(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0))


def _variance(
    shares: Sequence[Sequence[float]],
    rows: Sequence[float],
    columns: Sequence[float],
    *,
    kappa: float,
    by_chance: float,
) -> float:
    """Return the variance of kappa for one case."""
    categories = range(len(shares))
    agreeing = math.fsum(shares[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in categories)
    differing = math.fsum(
        shares[i][j] * (columns[i] + rows[j]) ** 2 for i in categories for j in categories if i != j
    )
    centre = (kappa - by_chance * (1 - kappa)) ** 2
    return (agreeing + (1 - kappa) ** 2 * differing - centre) / (1 - by_chance) ** 2
