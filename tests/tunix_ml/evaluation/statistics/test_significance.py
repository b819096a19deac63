import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.alignment import NotPaired
from tunix_ml.evaluation.statistics.significance import (
    compare_all,
    correlation,
    holm,
    mcnemar_exact,
    paired_difference,
    significance,
)

Z = 1.959963984540054
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def scores(*values: float) -> dict[str, float]:
    return {f"q{place:04}": value for place, value in enumerate(values)}


def test_a_paired_difference_by_hand() -> None:
    # Differences 1, 0, 0, -1, 1: mean 0.2, variance 2.8/4 = 0.7, standard error sqrt(0.14).
    found = paired_difference(scores(1, 0, 1, 0, 1), scores(0, 0, 1, 1, 0))

    half = Z * math.sqrt(0.14)
    assert found == (
        pytest.approx(0.2),
        pytest.approx(math.sqrt(0.14)),
        *map(pytest.approx, (0.2 - half, 0.2 + half)),
        5,
    )


def test_a_paired_difference_pairs_by_item_and_not_by_place() -> None:
    mine = {"a": 1.0, "b": 0.0, "c": 0.5}

    assert paired_difference(mine, dict(reversed(mine.items()))) == (0, 0, 0, 0, 3)


def test_a_paired_difference_in_clusters_by_hand() -> None:
    # Differences 1, 1, 0, 0 in clusters a, a, b, b: mean 0.5, residual sums 1 and -1, sqrt(2 * 2) / 4.
    clusters = dict(zip(scores(0, 0, 0, 0), "aabb", strict=True))

    found = paired_difference(scores(1, 1, 0, 0), scores(0, 0, 0, 0), clusters=clusters)

    assert found[:2] == (0.5, 0.5)


def test_a_single_pair_or_cluster_shows_no_spread() -> None:
    assert paired_difference(scores(0.0), scores(1.0)) == (-1.0, 0.0, None, None, 1)
    clusters = dict.fromkeys(scores(0, 0), "a")
    assert paired_difference(scores(1, 0), scores(0, 0), clusters=clusters) == (0.5, 0.0, None, None, 2)


@pytest.mark.parametrize("compare", [paired_difference, correlation, significance])
def test_runs_on_other_items_are_not_compared(compare: Any) -> None:
    with pytest.raises(NotPaired, match="the run was not scored on the items of the baseline: 1 are missing"):
        compare(scores(1.0), scores(1.0, 0.0))


def test_a_correlation_by_hand() -> None:
    assert correlation(scores(0, 1, 2), scores(1, 3, 5)) == pytest.approx(1)
    assert correlation(scores(1, 1, 0, 0), scores(1, 0, 1, 0)) == 0
    assert correlation(scores(1, 0, 0), scores(0, 1, 1)) == pytest.approx(-1)


def test_a_run_that_scores_all_items_alike_correlates_with_none() -> None:
    assert correlation(scores(0.1, 0.1, 0.1), scores(0, 1, 0)) is None


@pytest.mark.parametrize(
    ("wins", "losses", "exact"),
    # By hand: the tails of a fair coin.
    [(0, 0, 1.0), (1, 0, 1.0), (3, 0, 2 / 8), (5, 1, 2 * 7 / 64), (2, 2, 1.0), (1, 7, 2 * 9 / 256)],
)
def test_mcnemar_by_hand(wins: int, losses: int, exact: float) -> None:
    assert mcnemar_exact(wins, losses) == mcnemar_exact(losses, wins) == pytest.approx(exact, rel=1e-12)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_scipys_binomial_test(wins: int, losses: int) -> None:
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses).pvalue
        assert mcnemar_exact(wins, losses) == pytest.approx(expected, rel=1e-9)


def test_counts_below_0_are_refused() -> None:
    with pytest.raises(ContractError, match="wins and losses are counts, got -1 and 3"):
        mcnemar_exact(-1, 3)


def test_zeros_and_ones_are_tested_by_mcnemar() -> None:
    found = significance(scores(1, 1, 1, 0, 1), scores(0, 0, 0, 0, 1))

    assert found == (2 / 8, "mcnemar_exact")


def test_other_scores_are_tested_by_flipping_signs() -> None:
    found = significance(scores(0.5, 0.5, 0.5, 0.25), scores(0, 0, 0, 0.25))

    assert found == (2 / 8, "sign_flip_exact")


def test_many_other_scores_are_tested_by_drawn_signs() -> None:
    rng = random.Random(0)
    mine = scores(*(rng.randint(0, 4) / 4 for _ in range(50)))

    assert significance(mine, scores(*([0.5] * 50))).test == "sign_flip_sampled"


def test_items_in_clusters_are_flipped_together() -> None:
    # Six items won, but in two clusters: both signs equal in 2 of 4 cases.
    clusters = dict(zip(scores(*[0] * 6), "aaabbb", strict=True))

    found = significance(scores(*[1] * 6), scores(*[0] * 6), clusters=clusters)

    assert found == (0.5, "sign_flip_exact")


def test_clusters_of_one_item_each_change_nothing() -> None:
    mine, theirs = scores(1, 1, 0), scores(0, 0, 1)

    assert significance(mine, theirs, clusters={item: item for item in mine}) == significance(mine, theirs)


def test_holm_by_hand() -> None:
    # 0.01 * 4, 0.015 * 3 = 0.045, 0.02 * 2 = 0.04 which may not be below it, 0.6 * 1.
    assert holm([0.02, 0.01, 0.6, 0.015]) == pytest.approx([0.045, 0.04, 0.6, 0.045])
    assert holm([0.4, 0.5]) == [0.8, 0.8]
    assert holm([]) == []


@given(p_values)
def test_holm_adjusts_upwards_in_the_same_order_and_less_than_bonferroni(found: list[float]) -> None:
    adjusted = holm(found)

    for p, q in zip(found, adjusted, strict=True):
        assert p <= q <= min(1.0, p * len(found)) or q == pytest.approx(min(1.0, p * len(found)))
    assert [adjusted[i] for i in sorted(range(len(found)), key=found.__getitem__)] == sorted(adjusted)


def test_all_pairs_are_compared_the_later_with_the_earlier() -> None:
    found = compare_all({"a": scores(0, 0, 0), "b": scores(1, 1, 1), "c": scores(1, 1, 0)})

    assert [(pair.run, pair.baseline) for pair in found] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert [pair.difference.mean for pair in found] == pytest.approx([1, 2 / 3, -1 / 3])
    assert [pair.p_value for pair in found] == [0.25, 0.5, 1.0]
    assert [pair.p_adjusted for pair in found] == [0.75, 1.0, 1.0]


def test_a_pair_says_what_its_two_runs_say_alone() -> None:
    rng = random.Random(3)
    runs = {name: scores(*(rng.randint(0, 3) / 3 for _ in range(40))) for name in "ab"}
    clusters = {item: item[-1] for item in runs["a"]}

    (found,) = compare_all(runs, clusters=clusters, seed=2)

    assert found.difference == paired_difference(runs["b"], runs["a"], clusters=clusters)
    assert found.correlation == correlation(runs["b"], runs["a"])
    alone = significance(runs["b"], runs["a"], clusters=clusters, seed=2)
    assert (found.p_value, found.p_adjusted, found.test) == (alone.p_value, alone.p_value, alone.test)


def test_a_single_run_has_no_pair() -> None:
    assert compare_all({"a": scores(1, 0)}) == []


def test_all_runs_are_compared_on_identical_items_only() -> None:
    with pytest.raises(NotPaired, match="c was not scored on the items of a"):
        compare_all({"a": scores(1, 0), "b": scores(0, 0), "c": scores(1)})


def test_published_gsm8k_pairs_have_the_reference_values(
    references: dict[str, Any], gsm8k_scores: dict[str, dict[str, float]]
) -> None:
    found = {f"{pair.run} - {pair.baseline}": pair for pair in compare_all(gsm8k_scores)}

    assert found.keys() == references["gsm8k_pairs"].keys()
    for name, known in references["gsm8k_pairs"].items():
        pair = found[name]
        assert pair.difference[:2] == pytest.approx((known["diff"], known["se_paired"]), rel=1e-9), name
        assert (pair.difference.low, pair.difference.high) == pytest.approx(known["ci95"], rel=1e-9), name
        assert pair.difference.mean / pair.difference.stderr == pytest.approx(known["z"], rel=1e-9), name
        assert pair.correlation == pytest.approx(known["corr"], rel=1e-9), name
        assert pair.p_value == pytest.approx(known["p_mcnemar_exact"], rel=1e-9), name
        assert pair.p_adjusted == pytest.approx(known["p_adj_holm"], rel=1e-9), name
