from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks import judged_eval
from asset_checks.outcome import Check, Subject
from tunix_ml.evaluation.judges.predictions import judge_predictions, judgements_slot
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

Tamper = Callable[..., Subject]
Edit = Callable[..., Callable[[Path], None]]
Row = dict[str, Any]
SELF_TEST = {
    "num_items": 8,
    "num_without_verdict": 0,
    "gold_rate": 1.0,
    "shuffled_rate": 0.0,
    "expected_shuffled_rate": 0.0,
}


@pytest.fixture
def slot(store: Store, finished_run: Callable[..., RunDirectory], judge_by: Callable[..., Any]) -> Slot:
    run = finished_run()
    judge_predictions(
        store,
        run.run_id,
        "golden-v2.test",
        judge_name="mine",
        judge=judge_by(),
        report=lambda line: None,
    )
    return judgements_slot(run, "golden-v2.test.mine")


def change_first(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update(changes)


@pytest.mark.parametrize("check", judged_eval.CHECKS, ids=lambda check: check.name)
def test_sound_verdicts_pass_every_check(
    slot: Slot, subject_of: Callable[..., Subject], check: Check
) -> None:
    outcome = check.function(subject_of(slot))

    assert outcome.passed, outcome.description


# verdicts_keep_their_contract


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.append(rows[0]), "the table breaks"),
        (change_first(status="wrong"), "status breaks"),
        (change_first(status="timeout"), "is timeout, CORRECT, 1.0"),
        (change_first(verdict=None), "is scored, None, 1.0"),
        (change_first(score=0.5), "is scored, CORRECT, 0.5"),
        (change_first(status="error", verdict=None), "is error, None, 1.0"),
        (change_first(verdict="A", score=1.0), "is scored, A, 1.0"),
    ],
)
def test_a_row_outside_the_contract_is_found(
    slot: Slot, tampered: Tamper, edit_table: Edit, change: Callable[[list[Row]], object], found: str
) -> None:
    outcome = judged_eval.verdicts_keep_their_contract(tampered(slot, edit_table("verdicts.parquet", change)))

    assert not outcome.passed
    assert found in outcome.description


def test_a_table_with_other_columns_is_found(slot: Slot, tampered: Tamper) -> None:
    def drop(folder: Path) -> None:
        table = pq.read_table(folder / "verdicts.parquet").drop_columns(["reply"])
        pq.write_table(table, folder / "verdicts.parquet")

    outcome = judged_eval.verdicts_keep_their_contract(tampered(slot, drop))

    assert (outcome.passed, "columns are" in outcome.description) == (False, True)


# every_sample_has_a_verdict_record


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.pop(3), "has no verdict record"),
        (lambda rows: rows.append(rows[0]), "was not predicted"),
        (change_first(item_id="other"), "was not predicted"),
        (change_first(text_digest="0" * 64), "has no verdict record"),
        (change_first(status="invalid", verdict=None, score=None), "statuses are {'scored': 8}"),
    ],
)
def test_a_prediction_without_its_one_record_is_found(
    slot: Slot, tampered: Tamper, edit_table: Edit, change: Callable[[list[Row]], object], found: str
) -> None:
    outcome = judged_eval.every_sample_has_a_verdict_record(
        tampered(slot, edit_table("verdicts.parquet", change))
    )

    assert not outcome.passed
    assert found in outcome.description


@pytest.mark.parametrize("changes", [{"num_items": 7}, {"num_samples": 2}], ids=str)
def test_counts_that_do_not_add_up_are_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: Row
) -> None:
    outcome = judged_eval.every_sample_has_a_verdict_record(
        tampered(slot, edit_json("judgements_meta.json", **changes))
    )

    assert not outcome.passed
    assert "samples have 8 records" in outcome.description


# mean_follows_from_the_verdicts


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mean_score": 1.0}, "mean is 1.0 of 8 items, the records give 0.75 of 8"),
        ({"mean_score": None}, "mean is None of 8 items"),
        ({"num_scored_items": 7}, "mean is 0.75 of 7 items"),
        ({"judge_digest": "0" * 64}, "is not that of its identity"),
    ],
)
def test_a_mean_that_does_not_follow_is_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: Row, found: str
) -> None:
    outcome = judged_eval.mean_follows_from_the_verdicts(
        tampered(slot, edit_json("judgements_meta.json", **changes))
    )

    assert not outcome.passed
    assert found in outcome.description


# judge_tells_right_from_wrong


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"gold_rate": 0.89}, "true completions are judged correct at 0.89"),
        ({"gold_rate": None}, "true completions are judged correct at None"),
        ({"shuffled_rate": 0.11}, "completions of other items are judged correct at 0.11"),
        ({"shuffled_rate": None}, "completions of other items are judged correct at None"),
    ],
)
def test_a_judge_that_fails_on_known_texts_is_warned_of(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: Row, found: str
) -> None:
    outcome = judged_eval.judge_tells_right_from_wrong(
        tampered(slot, edit_json("judgements_meta.json", self_test=SELF_TEST | changes))
    )

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert found in outcome.description


# every_verdict_is_there


def test_missing_verdicts_are_warned_of(slot: Slot, tampered: Tamper, edit_json: Edit) -> None:
    counts = {"scored": 6, "timeout": 2}

    outcome = judged_eval.every_verdict_is_there(
        tampered(slot, edit_json("judgements_meta.json", status_counts=counts))
    )

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == "replies: 2 timeout"
