import math
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport, ItemScore, MetricEstimate

ESTIMATE: dict[str, Any] = {
    "mean": 0.5,
    "stderr": 0.1,
    "ci95_low": 0.3,
    "ci95_high": 0.7,
    "n": 10,
    "interval": "wilson",
}
REPORT: dict[str, Any] = {
    "run_id": "golden-v2.tiny.0123456789",
    "dataset_version": "golden-v2",
    "recipe": "tiny",
    "evaluation_set": "golden-v2.test",
    "evaluation_set_digest": "a" * 64,
    "scorer": "answers",
    "primary_metric": "answer_correctness",
    "inputs": {"dataset": "b" * 64, "model": "c" * 64, "predictions": "d" * 64, "template": "e" * 64},
    "scorers": {"answer_correctness": "f" * 64},
    "answer_rule": "reasoning_tags",
    "max_new_tokens": 160,
    "n_items": 10,
    "n_scored": 10,
    "coverage": 1.0,
    "status_counts": {"scored": 10},
    "metrics": {"answer_correctness": ESTIMATE},
    "groups": {"category": {"sums": ESTIMATE}},
    "primary_score": 0.5,
    "self_test": {"gold_mean": 1.0, "shuffled_mean": 0.1, "expected_shuffled_mean": 0.1},
}


def score(**changes: Any) -> ItemScore:
    values = dict.fromkeys(ItemScore.__struct_fields__) | {
        "item_id": "id",
        "sample_index": 0,
        "cluster": "id",
        **dict.fromkeys(("section", "category", "difficulty"), "all"),
        "status": "missing",
        "expected": "4",
        "scores": {},
    }
    return msgspec.convert(values | changes, ItemScore)


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Invalid enum value 'failed' - at `\$\.status`"):
        score(status="failed")


def test_the_table_holds_what_a_score_holds_with_a_column_for_each_metric() -> None:
    whole = {"answer_correctness": 1.0, "format_valid": 0.0}
    scores = [score(), score(status="scored", extracted="4", rule="tags", text="4", scores=whole)]

    table = ITEM_SCORES_SCHEMA.table(score.to_row() for score in scores)

    assert [ItemScore.from_row(row) for row in table.to_pylist()] == scores
    assert table.column("answer_correctness").to_pylist() == [None, 1.0]
    assert all(column.description for column in ITEM_SCORES_SCHEMA)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": math.nan},
        {"stderr": -0.1},
        {"ci95_high": math.inf},
        {"n": 0},
        {"interval": "guessed"},
        {"std": 0.1},
    ],
    ids=str,
)
def test_an_estimate_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        MetricEstimate(**ESTIMATE | changes)


def test_a_report_is_read_as_it_was_written() -> None:
    report = EvalReport(**REPORT)

    assert EvalReport.parse(report.to_json(), subject="eval.json") == report


def test_a_report_may_be_without_a_primary_score_but_not_without_saying_so() -> None:
    assert EvalReport(**REPORT | {"primary_score": None}).primary_score is None
    with pytest.raises(ValidationError, match=r"primary_score\n  Field required"):
        EvalReport(**{key: value for key, value in REPORT.items() if key != "primary_score"})


@pytest.mark.parametrize(
    "changes",
    [{"n_items": 0}, {"n_scored": -1}, {"coverage": 1.1}, {"primary_score": math.nan}, {"judge": "mock"}],
    ids=str,
)
def test_a_report_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        EvalReport(**REPORT | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation_set_digest": "0" * 64},
        {"inputs": {**REPORT["inputs"], "dataset": "0" * 64}},
        {"scorers": {"answer_correctness": "0" * 64}},
        {"answer_rule": "reasoning_lines"},
    ],
    ids=str,
)
def test_the_fingerprint_of_a_report_changes_with_what_it_rests_on(changes: dict[str, Any]) -> None:
    assert EvalReport(**REPORT | changes).fingerprint() != EvalReport(**REPORT).fingerprint()


def test_the_fingerprint_of_a_report_does_not_depend_on_what_was_found() -> None:
    assert EvalReport(**REPORT | {"primary_score": 0.1}).fingerprint() == EvalReport(**REPORT).fingerprint()
