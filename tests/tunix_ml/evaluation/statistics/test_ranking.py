import random
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.metrics import Direction
from tunix_ml.evaluation.statistics.alignment import NotPaired
from tunix_ml.evaluation.statistics.ranking import (
    rank_intervals,
    ranks_of,
    tie_groups,
)
from tunix_ml.evaluation.statistics.significance import Comparison, Difference

NO_DIFFERENCE = Difference(0.0, 0.0, 0.0, 0.0, 1)


def comparisons(p_adjusted: Mapping[str, float]) -> list[Comparison]:
    """Pairs such as "ab" with their adjusted p-values."""
    return [
        Comparison(run, baseline, NO_DIFFERENCE, None, p, p, "mcnemar_exact")
        for (baseline, run), p in p_adjusted.items()
    ]


def right(count: int, *, of: int, seed: int = 0) -> dict[str, float]:
    """Scores of which so many, anywhere, are 1."""
    places = set(random.Random(seed).sample(range(of), count))
    return {f"q{place:04}": float(place in places) for place in range(of)}


def test_a_run_joins_the_group_of_the_best_it_cannot_be_told_from() -> None:
    pairs = comparisons({"ab": 0.3, "ac": 0.04, "ad": 0.01, "bc": 0.5, "bd": 0.02, "cd": 0.9})

    # c cannot be told from b, but from a, the best of their group.
    assert tie_groups("abcd", pairs) == [["a", "b"], ["c", "d"]]


def test_a_later_run_does_not_return_to_a_group_above() -> None:
    # d cannot be told from a, but c, ahead of it, has opened a group that d cannot be told from either.
    pairs = comparisons({"ab": 1.0, "ac": 0.01, "ad": 0.2, "bc": 1.0, "bd": 1.0, "cd": 0.2})

    assert tie_groups("abcd", pairs) == [["a", "b"], ["c", "d"]]


def test_a_p_value_of_alpha_is_significant() -> None:
    assert tie_groups("ab", comparisons({"ab": 0.05})) == [["a"], ["b"]]
    assert tie_groups("ab", comparisons({"ab": 0.05}), alpha=0.01) == [["a", "b"]]


def test_no_run_makes_no_group_and_one_a_group() -> None:
    assert tie_groups([], []) == []
    assert tie_groups(["a"], []) == [["a"]]


def test_runs_that_were_not_compared_are_not_grouped() -> None:
    with pytest.raises(ContractError, match="b and a are to be ranked, but were not compared"):
        tie_groups("ab", [])


def test_a_metric_without_a_better_direction_ranks_nothing() -> None:
    neither: Direction = "neither"
    with pytest.raises(ContractError, match="cannot be ranked by a metric of direction 'neither'"):
        rank_intervals({"a": right(1, of=2)}, direction=neither)


def test_runs_on_other_items_are_not_ranked() -> None:
    with pytest.raises(NotPaired, match="b was not scored on the items of a"):
        rank_intervals({"a": right(1, of=3), "b": right(1, of=2)}, direction="higher")


def test_equal_values_share_the_better_rank() -> None:
    # 0.1 + 0.2 and 0.3 differ by rounding alone.
    assert ranks_of([0.1 + 0.2, 0.0, 0.3]) == [1, 3, 1]


def test_a_run_ahead_on_every_item_is_ahead_in_every_resample() -> None:
    runs = {"a": {"q1": 1.0, "q2": 0.6}, "b": {"q1": 0.9, "q2": 0.5}}

    assert rank_intervals(runs, direction="higher") == {"a": (1, 1), "b": (2, 2)}


def test_runs_are_resampled_jointly() -> None:
    # b is right wherever a is, and on ten items more: never behind, whatever is drawn.
    a, b = right(500, of=1000), right(500, of=1000)
    b |= dict.fromkeys([item for item, score in b.items() if not score][:10], 1.0)

    found = rank_intervals({"a": a, "b": b}, direction="higher", num_resamples=300)

    assert found == {"a": (2, 2), "b": (1, 1)}


def test_two_runs_change_places_as_often_as_resamples_say() -> None:
    # Ten items won, five lost: a resample loses the lead where it draws fewer wins than losses.
    runs = {"a": right(0, of=15), "b": {}}
    runs["b"] = {item: 1.0 if place < 10 else 0.0 for place, item in enumerate(runs["a"])}
    runs["a"] = {item: 1.0 - score for item, score in runs["b"].items()}

    behind = stats.binom.cdf(7, 15, 10 / 15)

    assert behind > 0.025
    assert rank_intervals(runs, direction="higher", num_resamples=2_000)["b"] == (1, 2)


def test_clusters_are_drawn_whole() -> None:
    # Ahead on 30 of 40 items, that are three of four clusters: two drawn twice of the fourth is not rare.
    a = {f"q{place:02}": 0.0 for place in range(40)}
    b = {item: 1.0 if place < 30 else -1.0 for place, item in enumerate(a)}
    clusters = {item: str(place // 10) for place, item in enumerate(a)}

    assert rank_intervals({"a": a, "b": b}, direction="higher")["b"] == (1, 1)
    assert rank_intervals({"a": a, "b": b}, direction="higher", clusters=clusters)["b"] == (1, 2)


def test_the_same_seed_draws_the_same_resamples() -> None:
    runs = {name: right(50 + place, of=100, seed=place) for place, name in enumerate("abcdef")}

    one, again = (rank_intervals(runs, direction="higher", seed=4, num_resamples=60) for _ in range(2))

    assert one == again


def test_intervals_hold_the_true_rank_of_runs_that_differ() -> None:
    # A true order 0.60, 0.65, 0.70: the true rank lies in the interval in 95 % of the samples or more.
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        draws = rng.random((3, 100)) < np.array([[0.60], [0.65], [0.70]])
        runs = {
            str(rank): {str(item): float(found) for item, found in enumerate(row)}
            for rank, row in zip((3, 2, 1), draws, strict=True)
        }
        found = rank_intervals(runs, direction="higher", num_resamples=100)
        held += sum(interval.low <= int(run) <= interval.high for run, interval in found.items())

    assert held >= 0.9 * 180
