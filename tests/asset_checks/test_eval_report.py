from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks import eval_report
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.evaluation.report import evaluate
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

Row = dict[str, Any]
Edit = Callable[..., Callable[[Path], None]]
Tamper = Callable[..., Subject]
Evaluated = Callable[..., Slot]
TEST_SET = "golden-v2.test"
ESTIMATE = {
    "mean": 0.75,
    "stderr": 0.1,
    "ci95_low": 0.5,
    "ci95_high": 0.9,
    "n": 8,
    "interval": "wilson",
}


@pytest.fixture
def slot(evaluated: Evaluated) -> Slot:
    return evaluated()


@pytest.fixture
def plant(slot: Slot, tampered: Tamper, edit_table: Edit) -> Callable[..., Subject]:
    """A function that publishes the report with changed item scores."""
    return lambda change: tampered(slot, edit_table("item_scores.parquet", change))


def self_test(**changes: float) -> dict[str, Any]:
    sound = {"gold_mean": 1.0, "shuffled_mean": 0.125, "expected_shuffled_mean": 0.125}
    return {"self_test": {**sound, **changes}}


@pytest.mark.parametrize("check", eval_report.CHECKS, ids=lambda check: check.name)
def test_a_sound_report_passes_every_check(
    slot: Slot, subject_of: Callable[..., Subject], check: Check
) -> None:
    outcome = check.function(subject_of(slot))

    assert outcome.passed, outcome.description


# scores_keep_their_contract


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda rows: rows.append(rows[0]), "the table"),
        (lambda rows: rows[0].update(answer_correctness=1.5), "answer_correctness"),
        (lambda rows: rows[0].update(format_valid=2.0), "format_valid"),
    ],
)
def test_an_item_score_outside_the_contract_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Row]], object], column: str
) -> None:
    outcome = eval_report.scores_keep_their_contract(plant(change))

    assert not outcome.passed
    assert f"{column} breaks" in outcome.description


def test_a_table_with_other_columns_is_found(slot: Slot, tampered: Tamper) -> None:
    def drop(folder: Path) -> None:
        table = pq.read_table(folder / "item_scores.parquet").drop_columns(["rule"])
        pq.write_table(table, folder / "item_scores.parquet")

    outcome = eval_report.scores_keep_their_contract(tampered(slot, drop))

    assert (outcome.passed, "columns are" in outcome.description) == (False, True)


# scorer_self_test_passes


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (self_test(gold_mean=0.0), "true completions score 0.0000, not 1"),
        (self_test(gold_mean=0.99), "true completions score 0.9900, not 1"),
        (self_test(shuffled_mean=1.0), "swapped completions score 1.0000, 0.1250 are equal"),
        (self_test(shuffled_mean=0.0, expected_shuffled_mean=0.06), "swapped completions score 0.0000"),
    ],
)
def test_a_scorer_that_fails_its_self_test_is_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: dict[str, Any], found: str
) -> None:
    outcome = eval_report.scorer_self_test_passes(tampered(slot, edit_json("eval.json", **changes)))

    assert not outcome.passed
    assert found in outcome.description


# every_item_is_scored


def drop_two(folder: Path) -> None:
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(lines[2:]))


@pytest.fixture
def incomplete(store: Store, finished_run: Callable[..., RunDirectory], tampered: Tamper) -> Subject:
    """The report of a run of whose eight predictions two are missing, the other six being right."""
    run = finished_run(recipe="incomplete", share_right=1.0)
    tampered(run.slot(f"predictions/{TEST_SET}"), drop_two)
    snapshot = evaluate(store, run.run_id, TEST_SET)
    return Subject(store, "golden-v2", run.slot(f"eval/{TEST_SET}"), snapshot)


def test_items_without_a_prediction_are_found(incomplete: Subject) -> None:
    outcome = eval_report.every_item_is_scored(incomplete)

    assert not outcome.passed
    assert outcome.description == "items: 2 of 8 samples are missing"


def test_a_table_that_lost_an_item_is_found(plant: Callable[..., Subject]) -> None:
    outcome = eval_report.every_item_is_scored(plant(lambda rows: rows.pop()))

    assert outcome.description == "items: the table has 7 samples, the report says 8 items of 1"


# means_follow_from_the_items


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"metrics": {"answer_correctness": {**ESTIMATE, "mean": 0.875}}},
            "answer_correctness is 0.875 over 8",
        ),
        ({"metrics": {"answer_correctness": {**ESTIMATE, "n": 100}}}, "answer_correctness is 0.75 over 100"),
        ({"metrics": {}}, "answer_correctness is missing, the items give 0.75 over 8"),
        ({"pass_at_k": {"2": ESTIMATE}}, "pass@2 is 0.75 over 8, the items give missing"),
        ({"groups": {}}, "category column_addition is missing, the items give 1.0 over 1"),
        ({"status_counts": {"scored": 7}}, "statuses are {'scored': 7}, the items differ"),
        ({"primary_score": 1.0}, "primary score 1.0 is not the mean of answer_correctness"),
    ],
)
def test_a_report_that_does_not_follow_from_its_items_is_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: dict[str, Any], found: str
) -> None:
    outcome = eval_report.means_follow_from_the_items(tampered(slot, edit_json("eval.json", **changes)))

    assert not outcome.passed
    assert found in outcome.description


@pytest.mark.parametrize("value", [0.0, None])
def test_items_that_do_not_give_the_mean_are_found(
    plant: Callable[..., Subject], value: float | None
) -> None:
    def change(rows: list[Row]) -> None:
        for row in rows:
            row["answer_correctness"] = value

    outcome = eval_report.means_follow_from_the_items(plant(change))

    assert not outcome.passed
    assert "answer_correctness is 0.75 over 8" in outcome.description


# score_has_not_regressed


def test_the_first_run_has_nothing_to_be_compared_with(
    slot: Slot, subject_of: Callable[..., Subject]
) -> None:
    outcome = eval_report.score_has_not_regressed(subject_of(slot))

    assert (outcome.passed, outcome.description) == (
        True,
        "no other valid run on these items to compare with",
    )


def test_a_score_credibly_below_the_best_is_warned_of(
    evaluated: Evaluated, subject_of: Callable[..., Subject]
) -> None:
    evaluated(recipe="middle", share_right=0.5)
    best = evaluated(recipe="best", share_right=1.0)

    outcome = eval_report.score_has_not_regressed(subject_of(evaluated(recipe="poor", share_right=0.25)))

    # Six of eight items worse, none better.
    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description.startswith(f"FAIL against {best.key}: worse: -0.7500 over 8 items")
    assert (outcome.facts["baseline"], outcome.facts["n"]) == (best.key, 8)
    assert -1 < outcome.facts["ci95_low"] < -0.75 < outcome.facts["ci95_high"] < 0


def test_a_score_that_chance_may_have_lowered_is_no_regression(
    evaluated: Evaluated, subject_of: Callable[..., Subject]
) -> None:
    evaluated(recipe="best", share_right=1.0)

    outcome = eval_report.score_has_not_regressed(subject_of(evaluated(recipe="near", share_right=0.75)))

    assert outcome.passed
    assert (outcome.facts["verdict"], outcome.facts["difference"]) == ("INCONCLUSIVE", -0.25)
    assert outcome.facts["n_needed"] > 8


def test_a_better_score_is_compared_with_the_best_other_run(
    evaluated: Evaluated, subject_of: Callable[..., Subject]
) -> None:
    evaluated(recipe="poor", share_right=0.25)

    outcome = eval_report.score_has_not_regressed(subject_of(evaluated(recipe="best", share_right=1.0)))

    assert outcome.passed
    assert outcome.facts["difference"] == 0.75


def test_missing_items_are_not_compared_as_if_they_were_wrong(
    evaluated: Evaluated, incomplete: Subject
) -> None:
    evaluated(recipe="best", share_right=1.0)

    outcome = eval_report.score_has_not_regressed(incomplete)

    assert not outcome.passed
    assert outcome.description == "2 of 8 items have no score to compare"
    assert "difference" not in outcome.facts


def test_a_run_that_is_not_ranked_is_no_baseline(
    evaluated: Evaluated, incomplete: Subject, subject_of: Callable[..., Subject]
) -> None:
    outcome = eval_report.score_has_not_regressed(subject_of(evaluated(recipe="poor", share_right=0.25)))

    assert outcome.description == "no other valid run on these items to compare with"


def test_the_content_that_is_checked_is_compared_and_not_a_later_one(
    evaluated: Evaluated, plant: Callable[..., Subject], slot: Slot, subject_of: Callable[..., Subject]
) -> None:
    evaluated(recipe="best", share_right=1.0)
    checked = subject_of(slot)
    plant(lambda rows: [row.update(answer_correctness=0.0) for row in rows])

    outcome = eval_report.score_has_not_regressed(checked)

    assert EvalReport.read(checked.snapshot.file("eval.json")).primary_score == 0.75
    assert outcome.facts["difference"] == -0.25
