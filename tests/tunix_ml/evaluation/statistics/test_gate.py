import math
from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.gate import GateReport, Verdict
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.statistics.gate import GateSide, decide, regression_gate
from tunix_ml.evaluation.statistics.paired_interval import (
    PairedBounds,
    paired_bounds,
    score_interval,
)

CORRECT = METRICS["answer_correctness"]
INPUTS = {"evaluation_set": "e" * 64, "scorer": "5" * 64}


def side(run: str, values: Iterable[float], **changes: Any) -> GateSide:
    scores = {f"q{place:04}": value for place, value in enumerate(values)}
    return GateSide(run, CORRECT, scores, INPUTS)._replace(**changes)


def judge(wins: int, losses: int, n: int, *, delta: float = 0.05) -> GateReport:
    """Judge a candidate that wins and loses so many items, and ties on the others."""
    mine = [1.0] * wins + [0.0] * losses + [1.0] * (n - wins - losses)
    theirs = [0.0] * wins + [1.0] * losses + [1.0] * (n - wins - losses)
    return regression_gate(side("new", mine), side("old", theirs), delta=delta)


def test_a_clear_loss_fails() -> None:
    report = judge(10, 60, 200)

    assert (report.verdict, report.candidate, report.baseline) == ("FAIL", "new", "old")
    assert (report.difference, report.n, report.n_needed) == (-0.25, 200, None)
    assert (report.ci95_low, report.ci95_high) == score_interval(10, 60, 200)
    assert report.reason.startswith("worse: -0.2500 over 200 items, 95 % interval -0.3")


def test_no_loss_on_many_items_passes() -> None:
    report = judge(30, 30, 1_000)

    assert (report.verdict, report.difference, report.n_needed) == ("PASS", 0.0, None)
    assert report.lower_bound == score_interval(30, 30, 1_000, confidence=0.9).low
    assert report.reason.startswith("not worse by 0.05: +0.0000 over 1000 items")


def test_a_gain_passes() -> None:
    assert judge(60, 10, 200).verdict == "PASS"


def test_too_few_items_say_how_many_it_takes() -> None:
    report = judge(10, 10, 100)

    assert report.verdict == "INCONCLUSIVE"
    # 20 items that differ and the two pretended ones: sd is sqrt(22 / 101) with none in the mean; a bound of
    # one side at 95 % and 80 % power take 1.644854 + 0.841621 standard errors.
    assert report.n_needed == math.ceil((2.4864749 * math.sqrt(22 / 101) / 0.05) ** 2) == 539
    assert report.reason.startswith("too few items to tell a loss of 0.05 from none: +0.0000 over 100 items")


def test_as_many_items_as_it_takes_decide_in_four_of_five_cases() -> None:
    needed = judge(10, 10, 100).n_needed
    assert needed is not None
    rng = np.random.default_rng(0)
    draws = rng.multinomial(needed, [0.1, 0.1, 0.8], 400)

    decided = sum(verdict_of(wins, losses, needed, delta=0.05) != "INCONCLUSIVE" for wins, losses, _ in draws)

    assert 0.8 - 0.06 <= decided / 400 <= 0.95


@pytest.mark.parametrize("losses", [11, 14, 15, 16, 18])
def test_more_items_are_needed_than_there_are(losses: int) -> None:
    report = judge(10, losses, 100)

    assert report.verdict == "INCONCLUSIVE"
    assert report.n_needed is not None
    assert report.n_needed > 100


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("delta", [0.01, 0.05, 0.3])
def test_one_item_decides_nothing(wins: int, losses: int, delta: float) -> None:
    assert judge(wins, losses, 1, delta=delta).verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("n", range(1, 5))
def test_four_items_lost_of_four_do_not_fail(n: int) -> None:
    assert judge(0, n, n).verdict == "INCONCLUSIVE"


def test_equal_answers_on_few_items_do_not_pass() -> None:
    # No item differs: the differences have no variance, and yet one in fifty might have differed.
    assert judge(0, 0, 20, delta=0.02).verdict == "INCONCLUSIVE"
    assert judge(0, 0, 100, delta=0.02).verdict == "INCONCLUSIVE"
    assert judge(0, 0, 300, delta=0.02).verdict == "PASS"


@pytest.mark.parametrize("metric", ["format_valid", "gold_nats_per_token"])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_one_item_of_any_metric_decides_nothing(metric: str, value: float) -> None:
    mine, theirs = side("new", [value], metric=METRICS[metric]), side("old", [0.5], metric=METRICS[metric])

    assert regression_gate(mine, theirs, delta=0.3).verdict == "INCONCLUSIVE"


def test_a_metric_of_which_less_is_better_is_turned_round() -> None:
    rng = np.random.default_rng(0)
    nats = rng.normal(1.0, 0.2, 200)
    better, worse = (
        side("x", values, metric=METRICS["gold_nats_per_token"]) for values in (nats, nats + 0.1)
    )

    lost, won = regression_gate(worse, better, delta=0.01), regression_gate(better, worse, delta=0.01)

    assert (lost.verdict, won.verdict) == ("FAIL", "PASS")
    assert (lost.difference, won.difference) == (pytest.approx(-0.1), pytest.approx(0.1))


def test_items_in_clusters_decide_less() -> None:
    # 12 items lost of 60, but all in one of six clusters.
    mine, theirs = [0.0] * 12 + [1.0] * 48, [1.0] * 60
    clusters = {f"q{place:04}": str(place // 10) for place in range(60)}

    alone = regression_gate(side("new", mine), side("old", theirs), delta=0.05)
    together = regression_gate(side("new", mine), side("old", theirs), delta=0.05, clusters=clusters)

    assert (alone.verdict, together.verdict) == ("FAIL", "INCONCLUSIVE")
    assert together.n_needed is not None
    assert together.n_needed > 60


def test_clusters_of_one_item_each_change_nothing() -> None:
    mine, theirs = side("new", [1.0, 0.0] * 20), side("old", [0.0, 0.0] * 20)

    own = regression_gate(mine, theirs, delta=0.05, clusters={item: item for item in mine.scores})

    assert own == regression_gate(mine, theirs, delta=0.05)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": INPUTS | {"scorer": "6" * 64}}, "scorer is 5555555555555555 for the candidate and 6666"),
        ({"inputs": INPUTS | {"evaluation_set": "f" * 64}}, "evaluation_set is eeeeeeeeeeeeeeee for the"),
        ({"inputs": INPUTS | {"dataset": "d" * 64}}, "dataset is not known for the candidate and dddd"),
        ({"inputs": {"scorer": "5" * 64}}, "evaluation_set is eeee.* for the candidate and not known for"),
        ({"metric": METRICS["format_valid"]}, "scored by answer_correctness, the baseline by format_valid"),
        (
            {"scores": {"q0000": 1.0}},
            "candidate new was not scored on the items of baseline old: 0 are missing",
        ),
        ({"scores": {}}, "baseline old has no scores"),
    ],
    ids=str,
)
def test_runs_with_other_inputs_are_not_comparable(changes: Mapping[str, Any], reason: str) -> None:
    report = regression_gate(side("new", [1.0, 0.0]), side("old", [1.0, 0.0], **changes), delta=0.05)

    assert report.verdict == "NOT_COMPARABLE"
    assert (report.difference, report.lower_bound, report.n, report.n_needed) == (None, None, 0, None)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(report.reason)


def test_a_metric_without_a_better_direction_is_not_comparable() -> None:
    tokens = METRICS["trace_num_tokens"]
    mine, theirs = side("new", [9.0, 8.0], metric=tokens), side("old", [9.0, 8.0], metric=tokens)

    report = regression_gate(mine, theirs, delta=1.0)

    assert (report.verdict, report.metric) == ("NOT_COMPARABLE", "trace_num_tokens")
    assert report.reason == "not comparable: neither more nor less of trace_num_tokens is better"


def test_a_run_may_be_compared_with_itself() -> None:
    same = side("same", [1.0, 0.0] * 200)

    assert regression_gate(same, same, delta=0.05).verdict == "PASS"


@pytest.mark.parametrize("delta", [0.0, -0.05, math.nan, math.inf])
def test_a_loss_to_put_up_with_is_above_0(delta: float) -> None:
    with pytest.raises(ContractError, match=f"delta is {delta}, expected a finite loss above 0"):
        judge(1, 1, 5, delta=delta)


def test_a_score_that_is_no_number_is_no_verdict() -> None:
    with pytest.raises(ContractError, match="candidate new has score nan"):
        regression_gate(side("new", [math.nan]), side("old", [1.0]), delta=0.05)


def test_a_significant_loss_fails_however_small() -> None:
    bounds = PairedBounds(low=-0.004, high=-0.001, lower_bound=-0.003, sd=0.1)

    assert decide(bounds, delta=0.05) == "FAIL"


def verdict_of(wins: int, losses: int, n: int, *, delta: float) -> Verdict:
    """Return the gate's verdict from counts alone, which is quicker for thousands of draws."""
    low, high = score_interval(int(wins), int(losses), n)
    lower_bound = score_interval(int(wins), int(losses), n, confidence=0.9).low
    return decide(PairedBounds(low, high, lower_bound, sd=0.0), delta=delta)


def simulate(
    n: int, share_differing: float, difference: float, *, num_draws: int = 4_000
) -> dict[Verdict, float]:
    """Return how often each verdict is given where so large a share of the items differs."""
    win, lose = (share_differing + difference) / 2, (share_differing - difference) / 2
    draws = np.random.default_rng(n).multinomial(n, [win, lose, 1 - win - lose], num_draws)
    outcomes, times = np.unique(draws[:, :2], axis=0, return_counts=True)
    found: Counter[Verdict] = Counter()
    for (wins, losses), count in zip(outcomes, times, strict=True):
        found[verdict_of(wins, losses, n, delta=0.05)] += int(count)
    return {verdict: count / num_draws for verdict, count in found.items()}


def test_counts_give_the_verdict_of_the_gate() -> None:
    for wins, losses in [(0, 0), (0, 6), (3, 9), (2, 1), (12, 4), (5, 16)]:
        assert verdict_of(wins, losses, 100, delta=0.05) == judge(wins, losses, 100).verdict


# Of 100 items two in a hundred differ between restarts of one model, and forty between unlike models.
@pytest.mark.parametrize("share_differing", [0.02, 0.04, 0.06, 0.1, 0.2, 0.3, 0.4])
def test_without_a_true_difference_at_most_4_in_100_runs_fail_on_100_items(share_differing: float) -> None:
    assert simulate(100, share_differing, 0.0).get("FAIL", 0.0) <= 0.04


# A loss of 5 points seen with 95 % power takes a share of at most 0.25: 3.6 standard errors are 5 points.
@pytest.mark.parametrize("share_differing", [0.06, 0.1, 0.15, 0.2, 0.24])
def test_a_true_loss_of_5_points_fails_95_of_100_times_on_1319_items(share_differing: float) -> None:
    assert simulate(1_319, share_differing, -0.05)["FAIL"] >= 0.95


@pytest.mark.parametrize("n", [100, 1_319])
@pytest.mark.parametrize("share_differing", [0.06, 0.1, 0.2, 0.3])
def test_a_true_loss_of_delta_passes_at_most_5_in_100_times(n: int, share_differing: float) -> None:
    # Two standard deviations of 4,000 draws above.
    assert simulate(n, share_differing, -0.05).get("PASS", 0.0) <= 0.05 + 0.007


def test_the_power_on_1319_items_is_the_one_that_is_reckoned() -> None:
    standard_errors = 0.05 * math.sqrt(1_319 / (0.3 - 0.05**2))

    # The continuity correction costs half an item: 0.01 of the power here, and 4,000 draws err by 0.01.
    assert simulate(1_319, 0.3, -0.05)["FAIL"] == pytest.approx(
        NormalDist().cdf(standard_errors - 1.959964), abs=0.02
    )


def test_means_of_several_samples_fail_without_a_true_difference_at_most_4_in_100_times() -> None:
    rng = np.random.default_rng(5)
    failed = 0
    for _ in range(1_000):
        ease = rng.beta(0.5, 0.5, 100)
        mine, theirs = (list(rng.binomial(4, ease) / 4) for _ in range(2))
        failed += decide(paired_bounds(mine, theirs, is_share=True), delta=0.05) == "FAIL"

    assert failed <= 40


def test_published_gsm8k_systems_are_judged(gsm8k_scores: dict[str, dict[str, float]]) -> None:
    small, large = (
        GateSide(name, CORRECT, gsm8k_scores[name], INPUTS) for name in ("6b_verification", "175b_finetuning")
    )

    worse, better = regression_gate(large, small, delta=0.02), regression_gate(small, large, delta=0.02)

    # The normal interval of this pair is -0.0714 to -0.0151.
    assert (worse.verdict, better.verdict) == ("FAIL", "PASS")
    assert (worse.ci95_low, worse.ci95_high) == pytest.approx((-0.0714, -0.0151), abs=1e-3)
