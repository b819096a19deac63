"""Evaluate a run: score its predictions and publish the report with every item behind it."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport, ItemScore, SelfTest
from tunix_ml.contracts.metrics import PRIMARY
from tunix_ml.contracts.prediction import ForeignPrediction, GoldLikelihood, Prediction, PredictionsMeta
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.evaluation.aggregate import by_item, over_items
from tunix_ml.evaluation.score import PredictionMismatch, score_items, scorer_digests
from tunix_ml.evaluation.self_test import run_self_test
from tunix_ml.evaluation.summary import render_report
from tunix_ml.exports.templates import template
from tunix_ml.json_lines import read_json_lines
from tunix_ml.parquet import read_table, write_table
from tunix_ml.provenance import source_digest
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store

ANSWERS = "answers"


class Predictions(NamedTuple):
    """A published prediction set, read back."""

    snapshot: Snapshot
    meta: PredictionsMeta
    rows: list[Prediction]
    gold: list[GoldLikelihood]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is scored, and what the scores rest on; all that a report needs beside the scores themselves.

    Attributes:
        inputs: digest of everything the scores rest on, by name.
        rule: where the answer stands in a text; None where a judge gave the scores.
        scorers: digest of the source code behind each metric.
    """

    run: RunDirectory
    dataset_version: str | None
    recipe: str
    asked: EvaluationSet
    inputs: Mapping[str, str]
    rule: AnswerRule | None
    max_new_tokens: int | None = None
    num_samples: int = 1
    scorer: str = ANSWERS
    primary_metric: str = PRIMARY
    scorers: Mapping[str, str] = field(default_factory=dict)


def code_version() -> str:
    """Return the digest of the source code that makes reports from scores."""
    return source_digest("evaluation", "exports/templates")


def predictions_slot(run: RunDirectory, evaluation_set: str) -> Slot:
    """Return where a run's predictions for an evaluation set are published."""
    return run.slot(f"predictions/{evaluation_set}")


def eval_slot(run: RunDirectory, evaluation_set: str, scorer: str = ANSWERS) -> Slot:
    """Return where a run's report on an evaluation set is published, one for each scorer."""
    suffix = "" if scorer == ANSWERS else f".{scorer.removeprefix('judge:')}"
    return run.slot(f"eval/{evaluation_set}{suffix}")


def read_predictions(slot: Slot, *, digest: str | None = None) -> Predictions:
    """Read published predictions, verified.

    Raises:
        ContractError: a line is not a prediction.
    """
    snapshot = slot.resolve(digest)
    of = f"of {snapshot.record.key!r}"
    return Predictions(
        snapshot,
        PredictionsMeta.read(snapshot.file("predictions_meta.json")),
        read_json_lines(snapshot.file("predictions.jsonl"), Prediction, subject=f"predictions.jsonl {of}"),
        read_json_lines(snapshot.file("gold.jsonl"), GoldLikelihood, subject=f"gold.jsonl {of}"),
    )


def read_eval(slot: Slot, *, digest: str | None = None) -> EvalReport:
    """Read the report of a slot, verified."""
    return read_report(slot.resolve(digest))


def read_report(snapshot: Snapshot) -> EvalReport:
    """Read a published report, verified."""
    return EvalReport.read(snapshot.file("eval.json"))


def read_scores(snapshot: Snapshot) -> list[ItemScore]:
    """Read the scores behind a report, verified, in their order."""
    rows = read_table(snapshot.file("item_scores.parquet")).to_pylist()
    return [ItemScore.from_row(row) for row in rows]


def evaluate(
    store: Store, run_id: str, evaluation_set: str, *, predictions_digest: str | None = None
) -> Snapshot:
    """Score a run's predictions for an evaluation set and publish items, report and summary.

    Raises:
        PredictionMismatch: the predictions were made for other items, by another model or with another
            template than the run's.
    """
    run = store.run(run_id)
    identity = RunIdentity.read(run.path / "config.json")
    predictions = read_predictions(predictions_slot(run, evaluation_set), digest=predictions_digest)
    asked = items_asked(store, predictions.meta)
    _refuse_mismatch(run, identity, predictions, asked)
    template_name, template_digest = predictions.meta.template, predictions.meta.template_digest
    evaluation = dataclasses.replace(
        evaluation_of(run, identity, predictions, asked, inputs={"template": template_digest}),
        rule=AnswerRule(kind="template", template=template_name),
        scorers=scorer_digests(),
    )
    return score_and_publish(evaluation, predictions.rows, known=_gold_scores(predictions.gold))


def items_asked(store: Store, meta: PredictionsMeta) -> EvaluationSet:
    """Return the items that were asked: the first of the content that the evaluation set had then.

    Raises:
        NotPublished: that content is gone.
    """
    asked = load_evaluation_set(store, meta.evaluation_set, digest=meta.source_digest)
    return asked.first(meta.num_items)


def evaluation_of(
    run: RunDirectory,
    identity: RunIdentity,
    predictions: Predictions,
    asked: EvaluationSet,
    *,
    inputs: Mapping[str, str],
) -> Evaluation:
    """Return what any scores of a run's predictions rest on; `inputs` is what these rest on besides."""
    meta = predictions.meta
    return Evaluation(
        run=run,
        dataset_version=identity.dataset_version,
        recipe=identity.train.recipe,
        asked=asked,
        inputs={
            "dataset": identity.dataset_digest,
            "evaluation_set": asked.source_digest,
            "model": meta.model_digest,
            "predictions": predictions.snapshot.digest,
            **inputs,
        },
        rule=None,
        max_new_tokens=meta.decoding.max_new_tokens,
        num_samples=meta.decoding.num_samples,
    )


def score_and_publish(
    evaluation: Evaluation,
    predictions: Sequence[Prediction | ForeignPrediction],
    *,
    known: Mapping[str, Mapping[str, float]] | None = None,
) -> Snapshot:
    """Score predictions by their answers, and publish; `known` are metrics that items have already."""
    if evaluation.rule is None:
        raise ContractError(f"{evaluation.run.run_id}: without an answer rule no answer can be found")
    items, rule = evaluation.asked.items, evaluation.rule
    scores = score_items(items, predictions, rule, num_samples=evaluation.num_samples, known=known)
    return publish_scores(evaluation, scores, run_self_test(items, rule))


def publish_scores(
    evaluation: Evaluation, scores: Sequence[ItemScore], self_test: SelfTest | None
) -> Snapshot:
    """Publish the scores of an evaluation with the report over them."""
    report = build_report(evaluation, scores, self_test)
    slot = eval_slot(evaluation.run, evaluation.asked.name, evaluation.scorer)
    with slot.publish(
        content_digest=report.digest(), parents=evaluation.inputs, code_version=code_version()
    ) as draft:
        (draft.path / "eval.json").write_bytes(report.to_json())
        table = ITEM_SCORES_SCHEMA.table(score.to_row() for score in scores)
        write_table(table, draft.path / "item_scores.parquet")
        (draft.path / "README.md").write_text(render_report(report, scores), encoding="utf-8")
    return draft.snapshot


def build_report(
    evaluation: Evaluation, scores: Sequence[ItemScore], self_test: SelfTest | None
) -> EvalReport:
    """Return the report over item scores; the denominator is every item that was to be asked.

    An item with several samples counts once, with their mean: the items are what was drawn independently.
    """
    items = by_item(scores)
    n_scored = sum(item.is_complete for item in items)
    means = over_items(items, evaluation.primary_metric)
    primary = means.metrics.get(evaluation.primary_metric)
    return EvalReport(
        run_id=evaluation.run.run_id,
        dataset_version=evaluation.dataset_version,
        recipe=evaluation.recipe,
        evaluation_set=evaluation.asked.name,
        evaluation_set_digest=evaluation.asked.digest,
        scorer=evaluation.scorer,
        primary_metric=evaluation.primary_metric,
        inputs=dict(evaluation.inputs),
        scorers=dict(evaluation.scorers),
        answer_rule=evaluation.rule.label() if evaluation.rule else evaluation.scorer,
        max_new_tokens=evaluation.max_new_tokens,
        num_samples=evaluation.num_samples,
        n_items=len(items),
        n_scored=n_scored,
        coverage=n_scored / len(items),
        status_counts=dict(sorted(Counter(score.status for score in scores).items())),
        **means._asdict(),
        primary_score=primary.mean if primary and n_scored == len(items) else None,
        self_test=self_test,
    )


def _gold_scores(gold: Sequence[GoldLikelihood]) -> dict[str, dict[str, float]]:
    """Return the metrics of the true completions, by item."""
    return {
        line.item_id: {
            "gold_nats_per_token": line.nats / line.num_tokens,
            "gold_bits_per_byte": line.nats / math.log(2) / line.num_bytes,
        }
        for line in gold
        if line.nats is not None
    }


def _refuse_mismatch(
    run: RunDirectory, identity: RunIdentity, predictions: Predictions, asked: EvaluationSet
) -> None:
    meta = predictions.meta
    expected = {
        "run": (meta.run_id, run.run_id),
        "evaluation set": (meta.evaluation_set_digest, asked.digest),
        "model": (meta.model_digest, run.slot("model").resolve().digest),
        "template": (meta.template_digest, template(identity.template).digest()),
    }
    for subject, (found, wanted) in expected.items():
        if found != wanted:
            raise PredictionMismatch(
                f"predictions of {run.run_id} were made with {subject} {found}, the run has {wanted}:"
                " materialize predictions again"
            )
