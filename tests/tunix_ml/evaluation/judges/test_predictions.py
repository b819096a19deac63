from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.judge import JudgeIdentity, JudgeReply, JudgeVerdict
from tunix_ml.evaluation.judges.judge import JudgeUnavailable
from tunix_ml.evaluation.judges.predictions import (
    judge_predictions,
    judgements_slot,
    mean_of_items,
    published_judgements,
    read_judgements,
)
from tunix_ml.evaluation.report import predictions_slot, read_predictions
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store

SET = "golden-v2.test"
JudgeBy = Callable[..., Any]


@pytest.fixture
def run(finished_run: Callable[..., RunDirectory]) -> RunDirectory:
    return finished_run(share_right=0.75)


def judged(store: Store, run: RunDirectory, judge: Any, **options: Any) -> Snapshot:
    return judge_predictions(
        store, run.run_id, SET, judge_name="mine", judge=judge, report=lambda line: None, **options
    )


@pytest.fixture
def republish(run: RunDirectory, tampered: Callable[..., object]) -> Callable[..., None]:
    """A function that publishes the run's predictions again, with changed rows."""

    def publish(change: Callable[[list[dict[str, Any]]], object], **meta: Any) -> None:
        found = read_predictions(predictions_slot(run, SET))
        rows = msgspec.to_builtins(found.rows)
        change(rows)

        def edit(folder: Path) -> None:
            described = found.meta.model_copy(update=meta)
            (folder / "predictions.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows))
            (folder / "predictions_meta.json").write_bytes(described.to_json())

        tampered(predictions_slot(run, SET), edit)

    return publish


def test_every_prediction_has_a_verdict_about_its_text(
    store: Store, run: RunDirectory, judge_by: JudgeBy
) -> None:
    snapshot = judged(store, run, judge_by())

    found = read_judgements(judgements_slot(run, f"{SET}.mine"))
    predicted = read_predictions(predictions_slot(run, SET)).rows
    assert found.snapshot == snapshot
    assert published_judgements(run) == {f"{SET}.mine": judgements_slot(run, f"{SET}.mine")}
    assert [(row.item_id, row.sample_index, row.text_digest) for row in found.rows] == [
        (row.item_id, row.sample_index, sha256_hex(row.text.encode())) for row in predicted
    ]
    assert found.meta.mean_score == 0.75
    assert (found.meta.num_items, found.meta.num_samples, found.meta.num_scored_items) == (8, 1, 8)
    assert found.meta.status_counts == {"scored": 8}


def test_the_verdicts_say_what_they_rest_on(
    store: Store, run: RunDirectory, judge_by: JudgeBy, judge_identity: JudgeIdentity
) -> None:
    snapshot = judged(store, run, judge_by())

    meta = read_judgements(judgements_slot(run, f"{SET}.mine")).meta
    predictions = read_predictions(predictions_slot(run, SET))
    assert (meta.run_id, meta.evaluation_set, meta.judge) == (run.run_id, SET, "mine")
    assert (meta.identity, meta.judge_digest) == (judge_identity, judge_identity.digest())
    assert meta.predictions_digest == predictions.snapshot.digest
    assert meta.evaluation_set_digest == predictions.meta.evaluation_set_digest
    assert meta.served_models == ["served"]
    assert snapshot.record.parents == {"predictions": predictions.snapshot.digest}


def test_the_judge_is_tried_on_texts_whose_verdict_is_known(
    store: Store, run: RunDirectory, judge_by: JudgeBy
) -> None:
    judged(store, run, judge_by())

    test = read_judgements(judgements_slot(run, f"{SET}.mine")).meta.self_test
    assert (test.num_items, test.num_without_verdict) == (8, 0)
    assert (test.gold_rate, test.shuffled_rate) == (1.0, test.expected_shuffled_rate)


def test_no_text_is_put_twice(store: Store, run: RunDirectory, judge_by: JudgeBy) -> None:
    judge = judge_by()

    judged(store, run, judge)

    assert len(judge.asked) == len(set(judge.asked)) < 8 * 3


def test_what_did_not_come_back_is_no_score(store: Store, run: RunDirectory, judge_by: JudgeBy) -> None:
    def reply(prompt: str) -> JudgeReply:
        if "<answer>-987654</answer>" in prompt:
            return JudgeReply("timeout", detail="no answer within 60 s")
        return JudgeReply("complete", "CORRECT")

    judged(store, run, judge_by(reply))

    found = read_judgements(judgements_slot(run, f"{SET}.mine"))
    late = [row for row in found.rows if row.status == "timeout"]
    assert found.meta.status_counts == {"scored": 6, "timeout": 2}
    assert all((row.score, row.verdict, row.detail) == (None, None, "no answer within 60 s") for row in late)
    assert (found.meta.mean_score, found.meta.num_scored_items) == (1.0, 6)


def test_how_long_it_took_is_no_other_content(store: Store, run: RunDirectory, judge_by: JudgeBy) -> None:
    first, again = judged(store, run, judge_by()), judged(store, run, judge_by())

    assert first.digest == again.digest


def test_each_sample_of_an_item_is_judged(
    store: Store, run: RunDirectory, republish: Callable[..., None], judge_by: JudgeBy
) -> None:
    def add_wrong_samples(rows: list[dict[str, Any]]) -> None:
        rows.extend([{**row, "sample_index": 1, "text": "<answer>none</answer>"} for row in rows])

    decoding = read_predictions(predictions_slot(run, SET)).meta.decoding
    drawn = decoding.model_copy(update={"num_samples": 2, "temperature": 1.0})
    republish(add_wrong_samples, decoding=drawn)

    judged(store, run, judge_by())

    found = read_judgements(judgements_slot(run, f"{SET}.mine"))
    assert [row.sample_index for row in found.rows] == [0, 1] * 8
    assert found.meta.mean_score == 0.75 / 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows.pop(), "lack 1 samples and have 0 too many"),
        (lambda rows: rows.append(rows[0]), "lack 0 samples and have 1 too many"),
        (lambda rows: rows[0].update(item_id="other"), "lack 1 samples and have 1 too many"),
    ],
)
def test_predictions_with_gaps_are_not_judged(
    store: Store,
    run: RunDirectory,
    republish: Callable[..., None],
    judge_by: JudgeBy,
    change: Callable[[list[dict[str, Any]]], object],
    problem: str,
) -> None:
    republish(change)
    judge = judge_by()

    with pytest.raises(ContractError, match=problem):
        judged(store, run, judge)

    assert judge.asked == []


def test_a_judge_that_answers_nothing_leaves_nothing(
    store: Store, run: RunDirectory, judge_by: JudgeBy
) -> None:
    dead = judge_by(lambda prompt: JudgeReply("error", detail="HTTP status 401"))

    with pytest.raises(JudgeUnavailable, match="HTTP status 401"):
        judged(store, run, dead)

    assert judgements_slot(run, f"{SET}.mine").pointer() is None


def test_a_run_without_predictions_is_named(store: Store, run: RunDirectory, judge_by: JudgeBy) -> None:
    with pytest.raises(NotPublished, match="predictions/other"):
        judge_predictions(
            store, run.run_id, "other", judge_name="mine", judge=judge_by(), report=lambda line: None
        )


def test_the_mean_is_over_items_all_of_whose_samples_are_scored() -> None:
    def row(item_id: str, score: float | None) -> JudgeVerdict:
        return JudgeVerdict(item_id, 0, "scored", None, score, None, None, "", "")

    rows = [row("a", 1.0), row("a", 0.0), row("b", 1.0), row("b", None), row("c", 1.0)]

    assert mean_of_items(rows) == (0.75, 2)
    assert mean_of_items([row("a", None)]) == (None, 0)
