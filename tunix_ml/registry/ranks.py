"""The ranks of one board: by score, with the ties and the intervals that the items allow."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from tunix_ml.contracts.metrics import Metric
from tunix_ml.evaluation.statistics.ranking import rank_intervals, ranks_of, tie_groups
from tunix_ml.evaluation.statistics.significance import Comparison, compare_all

# All pairs of so many runs are tested; of a longer board the best ones are.
MOST_COMPARED = 30


class Rank(NamedTuple):
    """A run's place on its board; no group and no interval beyond the runs that are compared."""

    rank: int
    tie_group: int | None
    rank_low: int | None
    rank_high: int | None


class Board(NamedTuple):
    """The place of each run by its id, and what all pairs of the best ones show."""

    ranks: dict[str, Rank]
    pairs: list[dict[str, Any]]


def rank_board(
    scores: Mapping[str, Mapping[str, float]], metric: Metric, *, clusters: Mapping[str, str]
) -> Board:
    """Return the ranks of runs that were all asked the same items.

    Args:
        scores: score of each item by its id, by run.
        metric: what was scored: its direction says which way is better.
        clusters: cluster of each item.
    """
    sign = -1 if metric.direction == "lower" else 1
    means = {run: sign * math.fsum(values.values()) / len(values) for run, values in scores.items()}
    order = sorted(means, key=lambda run: (-means[run], run))
    compared = {run: scores[run] for run in order[:MOST_COMPARED]}
    comparisons = compare_all(compared, clusters=clusters)
    groups = tie_groups(order[:MOST_COMPARED], comparisons)
    group_of = {run: number for number, group in enumerate(groups, start=1) for run in group}
    intervals = rank_intervals(compared, direction=metric.direction, clusters=clusters)
    ranks = {
        run: Rank(
            rank=rank,
            tie_group=group_of.get(run),
            rank_low=intervals[run].low if run in intervals else None,
            rank_high=intervals[run].high if run in intervals else None,
        )
        for run, rank in zip(order, ranks_of([means[run] for run in order]), strict=True)
    }
    return Board(ranks, [_pair(comparison) for comparison in comparisons])


def _pair(found: Comparison) -> dict[str, Any]:
    """Return a pair with the run that stands higher first: runs are compared with those above them."""
    mean, low, high, n = (
        found.difference.mean,
        found.difference.low,
        found.difference.high,
        found.difference.n,
    )
    return {
        "run_a": found.baseline,
        "run_b": found.run,
        "n": n,
        "difference": -mean,
        "ci95_low": None if high is None else -high,
        "ci95_high": None if low is None else -low,
        "test": found.test,
        "p_value": found.p_value,
        "p_holm": found.p_adjusted,
    }
