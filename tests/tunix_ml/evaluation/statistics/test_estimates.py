import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import MetricEstimate
from tunix_ml.evaluation.statistics.estimates import (
    Total,
    cluster_totals,
    estimate_mean,
    normal_interval,
    standard_error,
    t_interval,
    totals_standard_error,
    wilson_interval,
)

counts = st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
scores = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=200)


def clustered(values: Sequence[float], clusters: Sequence[str]) -> float:
    return totals_standard_error(cluster_totals(values, clusters))


def told(found: MetricEstimate) -> tuple[float | str | None, ...]:
    return tuple(found.model_dump().values())


@pytest.mark.parametrize(
    ("mean", "n", "low", "high"),
    # 7 of 10 by hand: centre (0.7 + z^2/20)/(1 + z^2/10), half z/(1 + z^2/10) * sqrt(0.021 + z^2/400).
    [
        (0.7, 10, 0.396778, 0.892209),
        (0.0, 10, 0.0, 0.277533),
        (1.0, 10, 0.722467, 1.0),
        (1.0, 1, 0.206549, 1.0),
    ],
)
def test_wilson_intervals_by_hand(mean: float, n: int, low: float, high: float) -> None:
    assert wilson_interval(mean, n) == pytest.approx((low, high), abs=1e-6)


@given(counts)
def test_the_wilson_interval_is_scipys(share: tuple[int, int]) -> None:
    k, n = share
    theirs = stats.binomtest(k, n).proportion_ci(confidence_level=0.95, method="wilson")

    # The same formula in another order of operations.
    assert wilson_interval(k / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(counts)
def test_an_interval_holds_its_mean_and_stays_within_0_and_1(share: tuple[int, int]) -> None:
    k, n = share
    low, high = wilson_interval(k / n, n)

    assert 0 <= low <= k / n <= high <= 1


@pytest.mark.parametrize(("mean", "n"), [(0.5, 0), (-0.1, 5), (1.1, 5), (math.nan, 5)])
def test_a_share_of_nothing_or_outside_0_and_1_has_no_interval(mean: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"a share is in 0\.\.1 of at least one item"):
        wilson_interval(mean, n)


@given(scores)
def test_the_standard_error_is_scipys(values: list[float]) -> None:
    assert standard_error(values) == pytest.approx(stats.sem(values), abs=1e-12)


def test_a_single_value_has_no_spread() -> None:
    assert standard_error([1.0]) == 0.0


def test_zeros_and_ones_have_the_wilson_interval() -> None:
    found = estimate_mean([1.0, 1.0, 0.0, 1.0])

    assert told(found) == (0.75, pytest.approx(0.25), *wilson_interval(0.75, 4), 4, "wilson")


def test_other_shares_have_a_normal_interval_by_hand() -> None:
    # Residuals -0.25, 0, 0.25: variance 0.0625, standard error 0.25 / sqrt(3).
    found = estimate_mean([0.25, 0.5, 0.75])

    half = 1.959963984540054 * 0.25 / math.sqrt(3)
    assert told(found)[:4] == pytest.approx((0.5, 0.25 / math.sqrt(3), 0.5 - half, 0.5 + half))
    assert (found.n, found.interval) == (3, "normal")


def test_the_interval_of_shares_is_cut_at_0_and_1() -> None:
    _, _, low, high, *_ = told(estimate_mean([0.0, 0.5]))
    assert (low, high) == (0.0, pytest.approx(0.25 + 1.959963984540054 * 0.25))

    assert estimate_mean([1.0, 0.5]).ci95_high == 1.0
    assert estimate_mean([0.0, 0.5], is_share=False).ci95_low == pytest.approx(
        0.25 - 1.959963984540054 * 0.25
    )


def test_zeros_and_ones_of_another_unit_have_no_wilson_interval() -> None:
    assert estimate_mean([0.0, 1.0, 1.0], is_share=False).interval == "normal"


def test_a_clustered_standard_error_by_hand() -> None:
    # Mean 0.5; residual sums 1 of a, -1 of b, 0 of c: CR0 is sqrt(2)/6, times sqrt(3/2) is sqrt(3)/6.
    values, clusters = [1, 1, 0, 0, 1, 0], ["a", "a", "b", "b", "c", "c"]

    assert clustered(values, clusters) == pytest.approx(math.sqrt(3) / 6)
    found = estimate_mean(values, clusters=clusters)
    assert (found.mean, found.stderr) == (0.5, pytest.approx(math.sqrt(3) / 6))
    assert (found.ci95_low, found.ci95_high) == (0.0, 1.0)
    assert (found.n, found.interval) == (6, "clustered")


@given(scores)
def test_items_each_in_their_own_cluster_have_the_plain_standard_error(values: list[float]) -> None:
    own = [str(place) for place in range(len(values))]

    assert clustered(values, own) == pytest.approx(standard_error(values), abs=1e-12)
    assert estimate_mean(values, clusters=own) == estimate_mean(values)


@given(scores)
def test_every_item_asked_twice_tells_no_more_than_once(values: list[float]) -> None:
    clusters = [str(place) for place in range(len(values))] * 2

    assert clustered(values * 2, clusters) == pytest.approx(standard_error(values), abs=1e-12)


def test_the_order_of_items_does_not_matter() -> None:
    values, clusters = [1.0, 1.0, 0.0, 0.0, 1.0], ["a", "b", "a", "c", "b"]

    found = estimate_mean(values[::-1], clusters=clusters[::-1])

    assert told(found) == pytest.approx(told(estimate_mean(values, clusters=clusters)))


def test_clusters_are_added_up_in_order_of_appearance() -> None:
    assert cluster_totals([1.0, 0.5, 2.0], ["b", "a", "b"]) == [Total(3.0, 2), Total(0.5, 1)]
    assert cluster_totals([1.0, 0.5], None) == [Total(1.0, 1), Total(0.5, 1)]


def test_shares_without_spread_are_not_certain() -> None:
    # Three clusters, all right: as uncertain as three items, all right.
    found = estimate_mean([1.0] * 6, clusters=["a", "a", "b", "b", "c", "c"])
    assert told(found) == (1.0, 0.0, *wilson_interval(1.0, 3), 6, "wilson")

    # Residuals of thirds cancel in each cluster but for rounding.
    found = estimate_mean([1.0, 0.0, 0.0, 0.0, 1.0, 0.0], clusters=["a"] * 3 + ["b"] * 3)
    assert (found.ci95_low, found.ci95_high) == wilson_interval(found.mean, 2)


def test_a_single_item_or_cluster_shows_no_spread() -> None:
    assert told(estimate_mean([0.5])) == (0.5, 0.0, *wilson_interval(0.5, 1), 1, "wilson")
    assert told(estimate_mean([120.0], is_share=False)) == (120.0, 0.0, None, None, 1, "normal")
    found = estimate_mean([1.0, 3.0], clusters=["a", "a"], is_share=False)
    assert told(found) == (2.0, 0.0, None, None, 2, "clustered")


@pytest.mark.parametrize(
    ("values", "is_share", "message"),
    [
        ([], True, "at least one score"),
        ([1.1], True, r"score 1.1 is not a share in 0\.\.1"),
        ([0.5, -0.1], True, "score -0.1 is not a share"),
        ([math.nan], False, "score nan is not a finite number"),
        ([math.inf], False, "score inf is not a finite number"),
    ],
)
def test_what_is_no_score_has_no_mean(values: list[float], is_share: bool, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        estimate_mean(values, is_share=is_share)


def test_an_item_without_a_cluster_is_refused() -> None:
    with pytest.raises(ContractError, match="each score needs its cluster, got 1 for 2 scores"):
        estimate_mean([0.0, 1.0], clusters=["a"])


@given(st.lists(st.integers(-99, 99), min_size=2, max_size=50).filter(lambda found: len(set(found)) > 1))
def test_the_t_interval_is_scipys(values: list[int]) -> None:
    mean, stderr, *_ = told(estimate_mean(values, is_share=False))
    theirs = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stderr)

    assert t_interval(mean, stderr, df=len(values) - 1) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_published_gsm8k_scores_have_the_reference_intervals(references: dict[str, Any]) -> None:
    for name, known in references["gsm8k"].items():
        values = [1.0] * known["k"] + [0.0] * (known["n"] - known["k"])
        found = estimate_mean(values)

        assert found.mean == pytest.approx(known["acc"], abs=1e-12), name
        assert found.stderr == pytest.approx(known["se_clt"], abs=1e-12), name
        assert (found.ci95_low, found.ci95_high) == pytest.approx(known["wilson"], rel=1e-9), name
        intervals = normal_interval(found.mean, found.stderr), t_interval(found.mean, found.stderr, df=1318)
        assert intervals[0] == pytest.approx(known["ci95_norm"], rel=1e-9), name
        assert intervals[1] == pytest.approx(known["ci95_t"], rel=1e-9), name


def test_published_gsm8k_solutions_have_the_reference_estimates(
    references: dict[str, Any], gsm8k_scores: dict[str, dict[str, float]]
) -> None:
    for name, known in references["gsm8k"].items():
        found = estimate_mean(list(gsm8k_scores[name].values()))

        expected = (known["acc"], known["se_clt"], *known["wilson"])
        assert told(found)[:4] == pytest.approx(expected, rel=1e-9), name
        assert (found.n, found.interval) == (1319, "wilson")


def test_small_shares_have_the_reference_intervals(references: dict[str, Any]) -> None:
    for share, known in references["small_n"].items():
        k, n = map(int, share.split("/"))

        assert wilson_interval(k / n, n) == pytest.approx(known["wilson"], rel=1e-9, abs=1e-15), share
        wald = normal_interval(k / n, math.sqrt(k / n * (1 - k / n) / n))
        assert wald == pytest.approx(known["wald"], rel=1e-9), share
