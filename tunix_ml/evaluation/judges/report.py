"""The report that a judge's verdicts give: the same items and intervals as by answers, another scorer."""

import dataclasses
from typing import Any

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.judge import JudgeVerdict
from tunix_ml.contracts.metrics import JUDGED
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.evaluation.judges.predictions import read_judgements
from tunix_ml.evaluation.report import (
    evaluation_of,
    items_asked,
    predictions_slot,
    publish_scores,
    read_predictions,
)
from tunix_ml.evaluation.score import JudgedScore, PredictionMismatch, score_verdicts
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def evaluate_judgements(store: Store, slot: Slot, *, digest: str | None = None) -> Snapshot:
    """Publish the report of what a judge said about a run's predictions.

    Raises:
        NotPublished: the verdicts, or the predictions they are about, are not.
        PredictionMismatch: the verdicts are about other items than those predicted.
    """
    judgements = read_judgements(slot, digest=digest)
    meta, run = judgements.meta, store.run(slot.key)
    identity = RunIdentity.read(run.path / "config.json")
    predictions = read_predictions(predictions_slot(run, meta.evaluation_set), digest=meta.predictions_digest)
    asked = items_asked(store, predictions.meta)
    _refuse_others(judgements.rows, asked.items, meta.num_samples)
    scores = score_verdicts(
        asked.items,
        {(row.item_id, row.sample_index): _score(row) for row in judgements.rows},
        texts={(row.item_id, row.sample_index): row.text for row in predictions.rows},
        metric=JUDGED,
        num_samples=meta.num_samples,
    )
    inputs = {"judge": meta.judge_digest, "judgements": judgements.snapshot.digest}
    evaluation = dataclasses.replace(
        evaluation_of(run, identity, predictions, asked, inputs=inputs),
        scorer=f"judge:{meta.judge}",
        primary_metric=JUDGED,
    )
    return publish_scores(evaluation, scores, None)


def _score(row: JudgeVerdict) -> JudgedScore:
    return JudgedScore(row.score, row.verdict or row.detail or row.status)


def _refuse_others(rows: list[JudgeVerdict], items: tuple[EvaluationItem, ...], num_samples: int) -> None:
    wanted: set[Any] = {(item.item_id, index) for item in items for index in range(num_samples)}
    others = sorted({(row.item_id, row.sample_index) for row in rows} - wanted)
    if others:
        raise PredictionMismatch(
            f"there are verdicts about {others[:3]} and {len(others)} samples in all that were not predicted"
        )
