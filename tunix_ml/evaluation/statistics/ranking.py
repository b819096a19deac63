"""Ranking: runs in order, with the ranks that other items might have given and the ties between them."""

import bisect
import math
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.metrics import Direction
from tunix_ml.evaluation.statistics.alignment import Scores, align, cluster_labels
from tunix_ml.evaluation.statistics.estimates import cluster_totals
from tunix_ml.evaluation.statistics.significance import Comparison

_SIGN: dict[Direction, int] = {"higher": 1, "lower": -1}


class RankInterval(NamedTuple):
    """The ranks of at least 95 % of the resamples, both ends among them."""

    low: int
    high: int


def tie_groups(
    order: Sequence[str], comparisons: Sequence[Comparison], *, alpha: float = 0.05
) -> list[list[str]]:
    """Return the runs, given best first, in groups of those that cannot be told from their group's best.

    Walking down by score, a run joins the group of that group's best run unless the adjusted p-value of
    their difference is at most alpha; then it opens the next group. The best run is the only measure: two
    others of a group may differ significantly, and neighbours in two groups may not.

    Raises:
        ContractError: a run and the best of the group above were not compared.
    """
    p_adjusted = {frozenset((found.run, found.baseline)): found.p_adjusted for found in comparisons}
    groups: list[list[str]] = []
    for run in order:
        if groups and _p_of(p_adjusted, run, groups[-1][0]) > alpha:
            groups[-1].append(run)
        else:
            groups.append([run])
    return groups


def rank_intervals(
    scores_by_run: Mapping[str, Scores],
    *,
    direction: Direction,
    clusters: Mapping[str, str] | None = None,
    seed: int = 0,
    num_resamples: int = 1_000,
) -> dict[str, RankInterval]:
    """Return for each run the ranks it has when the items, or their clusters, are drawn anew.

    Each resample draws as many of them as there are, with replacement, and ranks all runs on the same draw.
    The bounds are percentiles that leave at most 2.5 % of the resamples out on each side.

    Raises:
        NotPaired: the runs were not scored on identical items.
        ContractError: the direction says of no score that it is better.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, 1979.
    """
    sign = _sign(direction)
    items, columns = align(scores_by_run)
    labels = cluster_labels(items, clusters)
    # On one draw all runs have as many items, so that their sums rank as their means do.
    sums = [[sign * total.sum for total in cluster_totals(column, labels)] for column in columns.values()]
    rng, num_drawn = random.Random(seed), len(sums[0])  # noqa: S311 - resampling, no secret
    drawn_ranks = []
    for _ in range(num_resamples):
        drawn = rng.choices(range(num_drawn), k=num_drawn)
        drawn_ranks.append(ranks_of([math.fsum(map(run.__getitem__, drawn)) for run in sums]))
    return {run: _percentiles(ranks) for run, *ranks in zip(columns, *drawn_ranks, strict=True)}


def ranks_of(values: Sequence[float]) -> list[int]:
    """Return for each value 1 plus the number of greater ones; what rounding parts counts as equal."""
    rounded = [round(value, 9) for value in values]
    ascending = sorted(rounded)
    return [1 + len(ascending) - bisect.bisect_right(ascending, value) for value in rounded]


def _sign(direction: Direction) -> int:
    if direction not in _SIGN:
        raise ContractError(f"runs cannot be ranked by a metric of direction {direction!r}: higher or lower")
    return _SIGN[direction]


def _p_of(p_adjusted: Mapping[frozenset[str], float], run: str, best: str) -> float:
    pair = frozenset((run, best))
    if pair not in p_adjusted:
        raise ContractError(f"{run} and {best} are to be ranked, but were not compared")
    return p_adjusted[pair]


def _percentiles(ranks: Sequence[int]) -> RankInterval:
    ascending, left_out = sorted(ranks), int(0.025 * len(ranks))
    return RankInterval(ascending[left_out], ascending[-1 - left_out])
