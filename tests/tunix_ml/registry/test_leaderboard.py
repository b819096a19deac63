import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks.outcome import Subject
from tunix_ml.audits import record_audit
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import evaluate, predictions_slot
from tunix_ml.registry.leaderboard import (
    Row,
    collect_leaderboard,
    publish_leaderboard,
    read_leaderboard,
    read_pairs,
    render_boards,
)
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

TEST_SET = "golden-v2.test"
Evaluated = Callable[..., Slot]
Tamper = Callable[..., Subject]


def rows_by_recipe(store: Store) -> dict[str, Row]:
    return {row["recipe"]: row for row in collect_leaderboard(store, required_checks=()).rows}


def verdict(row: Row) -> tuple[str, str]:
    return row["status"], row["reason"]


def drop_one_line(folder: Path) -> None:
    lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "predictions.jsonl").write_bytes(b"".join(lines[1:]))


def edit_report(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "eval.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))

    return edit


# Ranks


def test_an_empty_store_has_an_empty_board(store: Store) -> None:
    assert collect_leaderboard(store, required_checks=()) == ([], [], {})
    snapshot = publish_leaderboard(store, required_checks=())
    assert pq.read_schema(snapshot.file("leaderboard.parquet")).equals(LEADERBOARD_SCHEMA.arrow())
    assert read_leaderboard(snapshot) == []


def test_better_runs_come_first_and_equal_ones_share_a_rank(store: Store, evaluated: Evaluated) -> None:
    for recipe, share in {"good": 0.75, "poor": 0.25, "best": 1.0, "fine": 0.75}.items():
        evaluated(recipe=recipe, share_right=share)

    rows = collect_leaderboard(store, required_checks=()).rows

    assert [(row["rank"], row["recipe"], row["primary_score"]) for row in rows] == [
        (1, "best", 1.0),
        (2, "fine", 0.75),
        (2, "good", 0.75),
        (4, "poor", 0.25),
    ]
    assert {row["status"] for row in rows} == {"valid"}


def test_a_row_is_the_report_and_the_checkpoint_of_its_run(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated(recipe="named")
    report = EvalReport.read(slot.resolve().file("eval.json"))

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert row.keys() == set(LEADERBOARD_SCHEMA.names)
    assert row["run_id"] == report.run_id == slot.key
    assert (row["eval_digest"], row["fingerprint"]) == (slot.resolve().digest, report.fingerprint())
    assert json.loads(row["inputs"]) == report.inputs
    interval = report.metrics["answer_correctness"]
    assert (row["ci95_low"], row["ci95_high"], row["stderr"]) == (
        interval.ci95_low,
        interval.ci95_high,
        interval.stderr,
    )
    assert (row["n_items"], row["coverage"], row["format_valid"], row["hit_max_new_tokens"]) == (8, 1, 1, 0)
    assert (row["num_params"], row["validation_loss"], row["device_seconds"]) == (123_456, 1.5, 14.0)


def test_runs_that_answered_other_items_are_ranked_apart(
    store: Store, evaluated: Evaluated, tampered: Tamper
) -> None:
    evaluated(recipe="whole", share_right=0.5)
    slot = evaluated(recipe="part", share_right=1.0)
    tampered(slot, edit_report(evaluation_set_digest="0" * 64))

    assert {name: row["rank"] for name, row in rows_by_recipe(store).items()} == {"whole": 1, "part": 1}


# What is not ranked, and why


def test_an_incomplete_run_is_shown_without_a_rank_or_score(
    store: Store, evaluated: Evaluated, finished_run: Callable[..., RunDirectory], tampered: Tamper
) -> None:
    evaluated(recipe="whole", share_right=0.25)
    run = finished_run(recipe="partial", share_right=1.0)
    tampered(predictions_slot(run, TEST_SET), drop_one_line)
    evaluate(store, run.run_id, TEST_SET)

    whole, partial = (rows_by_recipe(store)[name] for name in ("whole", "partial"))

    assert verdict(partial) == ("incomplete", "7 of 8 items have a score")
    assert (partial["rank"], partial["primary_score"]) == (None, None)
    assert whole["rank"] == 1


def test_a_report_on_a_replaced_dataset_is_stale(
    store: Store, evaluated: Evaluated, tampered: Tamper
) -> None:
    evaluated()
    tampered(store.slot("dataset", "golden-v2"), lambda folder: (folder / "README.md").write_text("new"))

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert (row["rank"], *verdict(row)) == (None, "stale", "changed since: dataset, evaluation set")
    assert row["primary_score"] == 0.75


def test_a_report_on_replaced_predictions_is_stale(
    store: Store, evaluated: Evaluated, tampered: Tamper
) -> None:
    slot = evaluated()
    tampered(predictions_slot(store.run(slot.key), TEST_SET), drop_one_line)

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert (row["rank"], *verdict(row)) == (None, "stale", "changed since: predictions")


def test_a_report_by_an_earlier_scorer_is_stale(store: Store, evaluated: Evaluated, tampered: Tamper) -> None:
    slot = evaluated()
    report = EvalReport.read(slot.resolve().file("eval.json"))
    tampered(slot, edit_report(scorers={**report.scorers, "format_valid": "0" * 64}))

    found = verdict(rows_by_recipe(store)["tiny"])
    assert found == ("stale", "changed since: scorer of format_valid")


def test_a_report_by_a_judge_that_was_never_calibrated_is_invalid(
    store: Store, evaluated: Evaluated, tampered: Tamper
) -> None:
    tampered(evaluated(), edit_report(scorer="judge:mock"))

    row = rows_by_recipe(store)["tiny"]
    assert (row["rank"], *verdict(row)) == (None, "invalid", "judge mock was never calibrated")


def test_a_report_that_failed_a_required_check_is_invalid(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated()
    verdicts = {"every_item_is_scored": True, "scorer_self_test_passes": False, "it_is_no_worse": False}
    for check, passed in verdicts.items():
        record_audit(slot, slot.resolve().digest, check=check, passed=passed, description="found")

    required = ("every_item_is_scored", "scorer_self_test_passes")
    (row,) = collect_leaderboard(store, required_checks=required).rows

    assert (row["rank"], *verdict(row)) == (None, "invalid", "check scorer_self_test_passes failed")


def test_a_report_that_a_required_check_never_saw_is_invalid(store: Store, evaluated: Evaluated) -> None:
    evaluated()

    (row,) = collect_leaderboard(store, required_checks=("every_item_is_sane",)).rows

    assert (row["rank"], *verdict(row)) == (None, "invalid", "check every_item_is_sane was never run")


def test_a_report_with_a_damaged_file_is_invalid(store: Store, evaluated: Evaluated) -> None:
    (evaluated().resolve().path / "item_scores.parquet").write_bytes(b"damaged")

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert row["rank"] is None
    assert row["status"] == "invalid"
    assert "item_scores.parquet has sha256" in row["reason"]


# What cannot be read


def break_report(slot: Slot) -> None:
    (slot.resolve().path / "eval.json").write_text("{}")


def break_pointer(slot: Slot) -> None:
    (slot.path / "pointer.json").write_text("{}")


def lose_record(slot: Slot) -> None:
    (slot.resolve().path / "artifact.json").unlink()


def lose_checkpoint(slot: Slot) -> None:
    (slot.path.parents[1] / "checkpoint.json").unlink()


def break_checkpoint(slot: Slot) -> None:
    (slot.path.parents[1] / "checkpoint.json").write_text('{"run_id": 5}')


@pytest.mark.parametrize(
    "damage", [break_report, break_pointer, lose_record, lose_checkpoint, break_checkpoint]
)
def test_a_run_that_cannot_be_read_is_named_and_does_not_stop_the_others(
    store: Store, evaluated: Evaluated, damage: Callable[[Slot], None]
) -> None:
    evaluated(recipe="good")
    bad = evaluated(recipe="bad")
    damage(bad)

    board = collect_leaderboard(store, required_checks=())

    assert [(row["rank"], row["recipe"]) for row in board.rows] == [(1, "good")]
    assert list(board.unreadable) == [f"{bad.key}/eval/{TEST_SET}"]
    assert all(board.unreadable.values())


@pytest.mark.parametrize("copy", ["{} copy", "{}.orig~", ".{}"])
def test_a_copy_of_a_run_under_an_impossible_name_does_not_stop_the_others(
    store: Store, evaluated: Evaluated, copy: str
) -> None:
    run = store.run(evaluated().key)
    name = copy.format(run.run_id)
    shutil.copytree(run.path, run.path.with_name(name))

    board = collect_leaderboard(store, required_checks=())

    assert [row["run_id"] for row in board.rows] == [run.run_id]
    assert list(board.unreadable) == [name]


def test_a_run_that_was_not_evaluated_has_no_row(
    store: Store, finished_run: Callable[..., RunDirectory]
) -> None:
    finished_run()

    assert collect_leaderboard(store, required_checks=()) == ([], [], {})


# What is published


def test_tables_and_json_say_the_same(store: Store, evaluated: Evaluated) -> None:
    evaluated(recipe="one")
    break_report(evaluated(recipe="two"))
    board = collect_leaderboard(store, required_checks=())

    snapshot = publish_leaderboard(store, required_checks=())

    assert read_leaderboard(snapshot) == board.rows
    assert json.loads(snapshot.file("leaderboard.json").read_bytes()) == board._asdict()
    assert read_pairs(snapshot) == board.pairs


def test_the_board_can_be_read_without_any_tool(store: Store, evaluated: Evaluated) -> None:
    run_id = evaluated(recipe="one").key

    text = publish_leaderboard(store, required_checks=()).file("README.md").read_text(encoding="utf-8")

    assert (
        "| 1 | 1 | golden-v2.test | answers | 2 layers of 64 | one | 0.750 | 0.409 to 0.929 | 8 | valid |"
        in text
    )
    assert run_id in text


def test_a_row_that_is_not_ranked_says_why_and_breaks_no_table() -> None:
    row = dict.fromkeys(LEADERBOARD_SCHEMA.names) | {"status": "invalid", "reason": "a|b\nc", "recipe": "x"}

    line = render_boards([row]).splitlines()[-1]

    assert "| invalid: a\\|b c |" in line
    assert line.startswith("| - | - |")


def test_the_board_names_the_reports_it_rests_on(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated()

    parents = publish_leaderboard(store, required_checks=()).record.parents

    assert parents == {f"{slot.key}/{TEST_SET}/answers": slot.resolve().digest}


def test_the_same_runs_give_the_same_board(store: Store, evaluated: Evaluated) -> None:
    evaluated()

    assert publish_leaderboard(store, required_checks=()) == publish_leaderboard(store, required_checks=())


def test_a_score_of_a_model_that_was_trained_anew_since_is_stale(store: Store, evaluated: Evaluated) -> None:
    path = store.run(evaluated().key).path / "checkpoint.json"
    record = CheckpointRecord.read(path)
    path.write_bytes(record.model_copy(update={"model_digest": "0" * 64}).to_json())

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert (row["rank"], *verdict(row)) == (None, "stale", "changed since: model")


def test_a_board_that_waited_for_another_knows_what_came_meanwhile(
    store: Store, evaluated: Evaluated
) -> None:
    evaluated(recipe="early")
    publish_leaderboard(store, required_checks=())
    waiting = threading.Thread(target=lambda: publish_leaderboard(store, required_checks=()))

    with store.slot("leaderboard", "all").publish() as draft:
        waiting.start()
        time.sleep(0.3)  # long enough to collect the rows too early
        evaluated(recipe="late")
        (draft.path / "README.md").write_text("the board of another process")
    waiting.join()

    rows = read_leaderboard(store.slot("leaderboard", "all").resolve())
    assert {row["recipe"] for row in rows} == {"early", "late"}
