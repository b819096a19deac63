from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.judge import JudgeIdentity, JudgeReply
from tunix_ml.evaluation.judges.predictions import judge_predictions, judgements_slot
from tunix_ml.evaluation.judges.report import evaluate_judgements
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.evaluation.score import PredictionMismatch
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

SET = "golden-v2.test"


@pytest.fixture
def judge(
    store: Store, finished_run: Callable[..., RunDirectory], judge_by: Callable[..., Any]
) -> Callable[[str], Slot]:
    """A function that has a run judged with one word, and returns where the verdicts are."""

    def judged(word: str) -> Slot:
        run = finished_run()
        one_worded = judge_by(lambda prompt: JudgeReply("complete", f"Read.\n{word}"))
        judge_predictions(
            store, run.run_id, SET, judge_name="mine", judge=one_worded, report=lambda line: None
        )
        return judgements_slot(run, f"{SET}.mine")

    return judged


@pytest.mark.parametrize(("word", "score"), [("CORRECT", 1.0), ("INCORRECT", 0.0)])
def test_the_score_is_the_share_that_the_judge_called_right(
    store: Store, judge: Callable[[str], Slot], word: str, score: float, judge_identity: JudgeIdentity
) -> None:
    slot = judge(word)

    report = EvalReport.read(evaluate_judgements(store, slot).file("eval.json"))

    assert (report.primary_score, report.primary_metric, report.scorer) == (
        score,
        "judged_correct",
        "judge:mine",
    )
    assert report.inputs["judgements"] == slot.resolve().digest
    assert report.inputs["judge"] == judge_identity.digest()


def test_a_verdict_that_cannot_be_read_is_an_error_and_leaves_no_score(
    store: Store, judge: Callable[[str], Slot]
) -> None:
    report = EvalReport.read(evaluate_judgements(store, judge("perhaps")).file("eval.json"))

    assert (report.status_counts, report.primary_score) == ({"error": 8}, None)


def test_it_stands_beside_the_report_by_answers_and_ranks_only_with_a_calibration(
    store: Store, judge: Callable[[str], Slot]
) -> None:
    evaluate_judgements(store, judge("CORRECT"))

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert (row["scorer"], row["rank"], row["reason"]) == (
        "judge:mine",
        None,
        "judge mine was never calibrated",
    )


def test_verdicts_about_more_than_was_predicted_are_refused(
    store: Store,
    judge: Callable[[str], Slot],
    tampered: Callable[..., object],
    edit_json: Callable[..., Callable[[Path], None]],
) -> None:
    slot = judge("CORRECT")
    tampered(
        slot,
        edit_json("judgements_meta.json", num_samples=1, predictions_digest=_fewer(store, slot, tampered)),
    )

    with pytest.raises(PredictionMismatch, match="that were not predicted"):
        evaluate_judgements(store, slot)


def _fewer(store: Store, slot: Slot, tampered: Callable[..., object]) -> str:
    """Publish the run's predictions with an item less asked, and return their digest."""
    predicted = predictions_slot(store.run(slot.key), SET)

    def edit(folder: Path) -> None:
        path = folder / "predictions_meta.json"
        path.write_text(path.read_text().replace('"num_items":8', '"num_items":7'))

    tampered(predicted, edit)
    return predicted.resolve().digest
