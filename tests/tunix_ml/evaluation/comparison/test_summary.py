import pytest

from tunix_ml.contracts.comparison import (
    ComparedRun,
    ItemComparison,
    PairedResult,
    PartComparison,
    RunComparison,
    SettingDifference,
)
from tunix_ml.evaluation.comparison.summary import detectable, is_better, render_comparison, verdict


def result(difference: float, low: float | None, high: float | None, p_value: float) -> PairedResult:
    return PairedResult(
        n=1_002, difference=difference, ci95_low=low, ci95_high=high, test="mcnemar_exact", p_value=p_value
    )


def comparison(found: PairedResult, **changes: object) -> RunComparison:
    sides = {
        name: ComparedRun(run_id=f"run-{name}", eval_digest="d", mean=mean, n_scored=1_002)
        for name, mean in {"a": 0.2, "b": 0.4}.items()
    }
    fields = {
        "evaluation_set": "golden-v2.test",
        "evaluation_set_digest": "e",
        "scorer": "answers",
        "metric": "answer_correctness",
        "n_items": 1_002,
        "run_a": sides["a"],
        "run_b": sides["b"],
        "result": found,
        "wins_a": 1,
        "wins_b": 2,
        "ties": 999,
        "settings": (),
        "num_same_settings": 40,
        "parts": (),
        "items": (),
    }
    return RunComparison.model_validate({**fields, **changes})


def test_the_better_run_is_named_with_how_much_and_how_sure() -> None:
    found = comparison(result(-0.215, -0.244, -0.187, 3e-45))

    assert verdict(found, p_holm=6e-45, num_pairs=6) == (
        "B is better by 21.5 points; 95 % interval 18.7 to 24.4;"
        " exact McNemar p = 6e-45, adjusted for 6 pairs."
    )
    assert (
        verdict(found) == "B is better by 21.5 points; 95 % interval 18.7 to 24.4; exact McNemar p = 3e-45."
    )


def test_a_difference_that_may_be_chance_is_not_called_better() -> None:
    sentence = verdict(comparison(result(0.004, -0.01, 0.018, 0.62)))

    assert sentence == (
        "No difference can be told: A is ahead by 0.4 points; 95 % interval \N{MINUS SIGN}1.0 to 1.8;"
        " exact McNemar p = 0.620."
    )


def test_what_is_sure_alone_may_not_be_sure_among_many() -> None:
    found = comparison(result(0.1, 0.01, 0.19, 0.03))

    assert verdict(found).startswith("A is better")
    assert verdict(found, p_holm=0.3, num_pairs=10).startswith("No difference can be told")


def test_equal_runs_are_equal() -> None:
    assert (
        verdict(comparison(result(0.0, 0.0, 0.0, 1.0))) == "A and B score the same; exact McNemar p = 1.000."
    )


def test_where_less_is_better_the_lower_one_is_named() -> None:
    sentence = verdict(comparison(result(-0.5, -0.75, -0.25, 0.001), metric="gold_nats_per_token"))

    assert sentence.startswith("A is better by 0.5 nats/token; 95 % interval 0.25 to 0.75;")


def test_what_so_many_items_can_show_follows_from_their_spread() -> None:
    # Half of 5.7 points is 1.96 standard errors; 2.80 of them are found in 80 % of cases: 4.07 points.
    found = detectable(comparison(result(-0.215, -0.2435, -0.1865, 3e-45)))

    assert found == (
        "So many items show a true difference of 4.1 points in 80 % of cases, smaller ones less often."
    )


@pytest.mark.parametrize("bound", [None, 0.0])
def test_items_without_spread_do_not_say_what_they_can_show(bound: float | None) -> None:
    assert detectable(comparison(result(0.0, bound, bound, 1.0))) is None


def test_a_single_item_has_no_interval() -> None:
    assert "too few items for an interval" in verdict(comparison(result(1.0, None, None, 1.0)))


@pytest.mark.parametrize(
    ("metric", "difference", "better"),
    [
        ("answer_correctness", 0.1, True),
        ("answer_correctness", -0.1, False),
        ("gold_nats_per_token", -0.1, True),
    ],
)
def test_what_is_better_follows_from_the_metric(metric: str, difference: float, better: bool) -> None:
    assert is_better(metric, difference) is better


def test_the_report_has_settings_parts_and_the_first_items() -> None:
    part = PartComparison(
        group="category",
        name="a|b",
        n=2,
        mean_a=0.5,
        mean_b=0.0,
        difference=0.5,
        ci95_low=None,
        ci95_high=None,
    )
    item = ItemComparison(
        item_id="i", score_a=1.0, score_b=0.0, expected="x" * 500, extracted_a="5", extracted_b=None
    )
    found = comparison(
        result(0.1, 0.0, 0.2, 0.04),
        settings=(SettingDifference(name="train.seed", a="0", b=None),),
        parts=(part,),
        items=(item,) * 25,
        n_items=1_010,
    )

    text = render_comparison(found)

    assert "* A: `run-a`, 20.0 %" in text
    assert "8 are left out because a run has no score for them" in text
    assert "| train.seed | 0 | \N{EN DASH} |" in text
    assert r"| category: a\|b | 2 | 50.0 % | 0.0 % | +50.0 points |" in text
    assert text.count("| `i` |") == 20
    assert "… and 5 more in `comparison.json`" in text
    assert max(map(len, text.splitlines())) < 200


def test_runs_that_differ_in_nothing_have_a_short_report() -> None:
    text = render_comparison(comparison(result(0.0, 0.0, 0.0, 1.0)))

    assert "40 settings are the same." in text
    assert "| Item |" not in text
    assert "| Part |" not in text
