import math
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport, ItemScore, MetricEstimate

ESTIMATE: dict[str, Any] = {"mean": 0.5, "stderr": 0.1, "ci95_low": 0.3, "ci95_high": 0.7, "n": 10}
REPORT: dict[str, Any] = {
    "run_id": "golden-v2.tiny.0123456789",
    "dataset_version": "golden-v2",
    "recipe": "tiny",
    "evaluation_set": "golden-v2.test",
    "evaluation_set_digest": "a" * 64,
    "dataset_digest": "b" * 64,
    "model_digest": "c" * 64,
    "predictions_digest": "d" * 64,
    "template": "reasoning_tags",
    "template_digest": "e" * 64,
    "scorer": "answer_correctness",
    "scorer_digest": "f" * 64,
    "max_new_tokens": 160,
    "n_items": 10,
    "n_scored": 10,
    "coverage": 1.0,
    "status_counts": {"scored": 10},
    "metrics": {"answer_correctness": ESTIMATE},
    "families": {"sums": ESTIMATE},
    "primary_score": 0.5,
    "self_test": {"gold_mean": 1.0, "shuffled_mean": 0.1, "expected_shuffled_mean": 0.1},
}


def score(**changes: Any) -> ItemScore:
    values = dict.fromkeys(ItemScore.__struct_fields__) | {
        "item_id": "id",
        "status": "missing",
        "expected": "4",
    }
    return msgspec.convert(values | {"family": "all"} | changes, ItemScore)


def test_an_item_without_a_prediction_has_no_score() -> None:
    missing = score()

    assert (missing.answer_correctness, missing.format_valid, missing.text) == (None, None, None)


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"Invalid enum value 'failed' - at `\$\.status`"):
        score(status="failed")


def test_the_table_holds_what_a_score_holds() -> None:
    scores = [score(), score(status="scored", extracted="4", rule="tags", answer_correctness=1.0, text="4")]

    table = ITEM_SCORES_SCHEMA.table(map(msgspec.to_builtins, scores))

    assert ITEM_SCORES_SCHEMA.names == list(ItemScore.__struct_fields__)
    assert msgspec.convert(table.to_pylist(), list[ItemScore]) == scores
    assert all(column.description for column in ITEM_SCORES_SCHEMA)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": -0.1},
        {"mean": 1.1},
        {"mean": math.nan},
        {"stderr": -0.1},
        {"ci95_high": 1.1},
        {"n": 0},
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


@pytest.mark.parametrize("name", [name for name in REPORT if name.endswith("_digest")])
def test_the_digest_of_a_report_changes_with_what_it_rests_on(name: str) -> None:
    assert EvalReport(**REPORT | {name: "0" * 64}).digest() != EvalReport(**REPORT).digest()
