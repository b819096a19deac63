import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks.outcome import Subject
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.evaluation.report import (
    eval_slot,
    evaluate,
    predictions_slot,
    read_eval,
    read_predictions,
)
from tunix_ml.evaluation.score import PredictionMismatch, scorer_digests
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store

TEST_SET = "golden-v2.test"
Finish = Callable[..., RunDirectory]
Tamper = Callable[..., Subject]


def drop_lines(count: int) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "predictions.jsonl").write_bytes(b"".join(lines[count:]))

    return edit


def edit_meta(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "predictions_meta.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))

    return edit


def items_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(snapshot.file("item_scores.parquet")).to_pylist()
    return rows


# Scores


@pytest.mark.parametrize(("share", "num_right"), [(1.0, 8), (0.75, 6), (0.0, 0)])
def test_the_score_is_the_share_of_right_answers(
    store: Store, finished_run: Finish, share: float, num_right: int
) -> None:
    run = finished_run(share_right=share)

    report = EvalReport.read(evaluate(store, run.run_id, TEST_SET).file("eval.json"))

    assert report.primary_score == num_right / 8
    assert (report.n_items, report.n_scored, report.coverage) == (8, 8, 1.0)
    assert report.status_counts == {"scored": 8}
    assert report.metrics["format_valid"].mean == 1
    assert report.metrics["hit_max_new_tokens"].mean == 0


@pytest.mark.parametrize("name", ["reasoning_tags", "reasoning_lines", "answer_only"])
def test_every_template_is_scored_by_its_own_rule(store: Store, finished_run: Finish, name: str) -> None:
    run = finished_run(template_name=name)

    snapshot = evaluate(store, run.run_id, TEST_SET)

    assert EvalReport.read(snapshot.file("eval.json")).primary_score == 0.75
    assert {row["rule"] for row in items_of(snapshot)} <= {f"{name}.answer, number", f"{name}.answer, text"}


def test_categories_add_up_to_the_whole(store: Store, finished_run: Finish) -> None:
    report = EvalReport.read(evaluate(store, finished_run().run_id, TEST_SET).file("eval.json"))

    (categories,) = report.groups.values()
    assert sum(part.n for part in categories.values()) == 8
    assert sum(part.mean * part.n for part in categories.values()) == pytest.approx(6)


def test_every_item_stands_behind_the_score(store: Store, finished_run: Finish) -> None:
    snapshot = evaluate(store, finished_run().run_id, TEST_SET)

    rows = items_of(snapshot)
    items = load_evaluation_set(store, TEST_SET).items
    assert pq.read_schema(snapshot.file("item_scores.parquet")).equals(ITEM_SCORES_SCHEMA.arrow())
    assert [(row["item_id"], row["expected"]) for row in rows] == [
        (item.item_id, item.final_answer) for item in items
    ]
    assert [row["answer_correctness"] for row in rows] == [1.0] * 6 + [0.0] * 2


def test_a_missing_prediction_lowers_the_coverage_and_leaves_no_score(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    tampered(predictions_slot(run, TEST_SET), drop_lines(2))

    snapshot = evaluate(store, run.run_id, TEST_SET)
    report = EvalReport.read(snapshot.file("eval.json"))

    assert (report.n_items, report.n_scored, report.coverage) == (8, 6, 0.75)
    assert report.primary_score is None
    assert report.status_counts == {"missing": 2, "scored": 6}
    assert report.metrics["answer_correctness"].n == 6
    assert [row["answer_correctness"] for row in items_of(snapshot)] == [None, None, *[1.0] * 4, 0.0, 0.0]


def test_a_run_without_any_prediction_has_no_metric_rather_than_zero(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    tampered(predictions_slot(run, TEST_SET), drop_lines(8))

    report = EvalReport.read(evaluate(store, run.run_id, TEST_SET).file("eval.json"))

    assert (report.coverage, report.primary_score) == (0.0, None)
    assert (report.metrics, report.groups) == ({}, {})


def test_only_the_first_items_count_where_only_they_were_asked(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    asked = load_evaluation_set(store, TEST_SET).first(6)

    def keep_six(folder: Path) -> None:
        lines = (folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "predictions.jsonl").write_bytes(b"".join(lines[:6]))
        edit_meta(num_items=6, evaluation_set_digest=asked.digest)(folder)

    tampered(predictions_slot(run, TEST_SET), keep_six)
    report = EvalReport.read(evaluate(store, run.run_id, TEST_SET).file("eval.json"))

    assert (report.n_items, report.coverage, report.primary_score) == (6, 1.0, 1.0)
    assert report.evaluation_set_digest == asked.digest


def test_an_item_with_samples_counts_once_with_their_mean(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    def add_wrong_samples(folder: Path) -> None:
        rows = [json.loads(line) for line in (folder / "predictions.jsonl").read_bytes().splitlines()]
        wrong = [{**row, "sample_index": 1, "text": "<answer>-987654</answer>"} for row in rows]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows + wrong)
        (folder / "predictions.jsonl").write_text(lines)
        edit_meta(decoding={"temperature": 1.0, "num_samples": 2})(folder)

    run = finished_run()  # six of the eight first samples are right
    tampered(predictions_slot(run, TEST_SET), add_wrong_samples)

    snapshot = evaluate(store, run.run_id, TEST_SET)
    report = EvalReport.read(snapshot.file("eval.json"))

    assert (report.n_items, report.num_samples, report.primary_score) == (8, 2, 3 / 8)
    assert report.metrics["answer_correctness"].n == 8
    assert [row["answer_correctness"] for row in items_of(snapshot)] == [1.0, 0.0] * 6 + [0.0] * 4
    assert {k: found.mean for k, found in report.pass_at_k.items()} == {1: 3 / 8, 2: 6 / 8}
    assert "8 of 8 items have 2 scores each, whose mean counts" in snapshot.file("README.md").read_text()


# What a report rests on


def test_the_report_names_all_it_rests_on(store: Store, golden: Snapshot, finished_run: Finish) -> None:
    run = finished_run(recipe="named")
    predictions = read_predictions(predictions_slot(run, TEST_SET))

    snapshot = evaluate(store, run.run_id, TEST_SET)
    report = read_eval(eval_slot(run, TEST_SET))

    assert (report.run_id, report.recipe, report.evaluation_set) == (run.run_id, "named", TEST_SET)
    assert (report.scorer, report.primary_metric) == ("answers", "answer_correctness")
    assert report.scorers == scorer_digests()
    assert report.inputs == {
        "dataset": golden.digest,
        "evaluation_set": golden.digest,
        "model": run.slot("model").resolve().digest,
        "predictions": predictions.snapshot.digest,
        "template": predictions.meta.template_digest,
    }
    assert snapshot.record.parents == report.inputs
    assert snapshot.digest == report.digest()


def test_scoring_again_changes_nothing(store: Store, finished_run: Finish) -> None:
    run = finished_run()
    first = evaluate(store, run.run_id, TEST_SET)

    assert evaluate(store, run.run_id, TEST_SET) == first


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"model_digest": "0" * 64}, "model"),
        ({"run_id": "golden-v2.other.0123456789"}, "run"),
        ({"template_digest": "0" * 64}, "template"),
        ({"evaluation_set_digest": "0" * 64}, "evaluation set"),
        ({"num_items": 5}, "evaluation set"),
    ],
)
def test_predictions_of_another_origin_are_refused_and_nothing_is_published(
    store: Store, finished_run: Finish, tampered: Tamper, changes: dict[str, Any], subject: str
) -> None:
    run = finished_run()
    tampered(predictions_slot(run, TEST_SET), edit_meta(**changes))

    with pytest.raises(PredictionMismatch, match=f"were made with {subject} .*materialize predictions again"):
        evaluate(store, run.run_id, TEST_SET)
    assert eval_slot(run, TEST_SET).pointer() is None


def test_predictions_by_an_earlier_model_of_the_run_are_refused(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    tampered(run.slot("model"), lambda folder: (folder / "model.safetensors").write_text("other weights"))

    with pytest.raises(PredictionMismatch, match="were made with model"):
        evaluate(store, run.run_id, TEST_SET)


def test_a_run_without_predictions_cannot_be_scored(store: Store, finished_run: Finish) -> None:
    run = finished_run()

    with pytest.raises(NotPublished, match=r"predictions/golden-v1\.test"):
        evaluate(store, run.run_id, "golden-v1.test")


def test_damaged_predictions_are_not_scored(store: Store, finished_run: Finish) -> None:
    run = finished_run()
    path = predictions_slot(run, TEST_SET).resolve().path / "predictions.jsonl"
    path.write_bytes(path.read_bytes().replace(b"-987654", b"0", 1))

    with pytest.raises(CorruptArtifact, match=r"predictions\.jsonl has sha256"):
        evaluate(store, run.run_id, TEST_SET)


def test_predictions_of_an_earlier_content_can_be_scored(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    slot: Slot = predictions_slot(run, TEST_SET)
    earlier = slot.resolve()
    tampered(slot, drop_lines(2))

    snapshot = evaluate(store, run.run_id, TEST_SET, predictions_digest=earlier.digest)

    assert EvalReport.read(snapshot.file("eval.json")).coverage == 1


# The summary for people


def test_the_summary_shows_scores_and_what_was_written(store: Store, finished_run: Finish) -> None:
    run = finished_run()
    summary = evaluate(store, run.run_id, TEST_SET).file("README.md").read_text(encoding="utf-8")

    assert summary.startswith(f"# {run.run_id} on golden-v2.test\n\n8 of 8 items have a score: 8 scored.")
    assert "| answer_correctness | 0.750 | 0.409 to 0.929 | 0.164 | 8 |" in summary
    assert summary.count("(right; expected `") == 6
    assert summary.count("(not right, scored; expected `") == 2
    assert "    <answer>-987654</answer>" in summary


def test_the_summary_of_a_run_with_nothing_scored_shows_no_number(
    store: Store, finished_run: Finish, tampered: Tamper
) -> None:
    run = finished_run()
    tampered(predictions_slot(run, TEST_SET), drop_lines(8))

    summary = evaluate(store, run.run_id, TEST_SET).file("README.md").read_text(encoding="utf-8")

    assert "0 of 8 items have a score: 8 missing." in summary
    assert "answer_correctness |" not in summary
