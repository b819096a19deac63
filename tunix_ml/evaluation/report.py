"""Evaluate a run: score its predictions and publish the report with every item behind it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport, ItemScore, MetricEstimate
from tunix_ml.contracts.prediction import Prediction, PredictionsMeta
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.evaluation.score import SCORER, PredictionMismatch, score_items
from tunix_ml.evaluation.self_test import run_self_test
from tunix_ml.evaluation.statistics import estimate
from tunix_ml.exports.templates import template
from tunix_ml.parquet import write_table
from tunix_ml.provenance import source_digest
from tunix_ml.store import RunDirectory, Slot, Snapshot, Store

METRICS = ("answer_correctness", "format_valid", "hit_max_new_tokens")


class Predictions(NamedTuple):
    """A published prediction set, read back."""

    snapshot: Snapshot
    meta: PredictionsMeta
    rows: list[Prediction]


def scorer_digest() -> str:
    """Return the digest of the source code that decides scores."""
    return source_digest("evaluation", "exports/templates")


def predictions_slot(run: RunDirectory, evaluation_set: str) -> Slot:
    """Return where a run's predictions for an evaluation set are published."""
    return run.slot(f"predictions/{evaluation_set}")


def eval_slot(run: RunDirectory, evaluation_set: str) -> Slot:
    """Return where a run's report on an evaluation set is published."""
    return run.slot(f"eval/{evaluation_set}")


def read_predictions(slot: Slot, *, digest: str | None = None) -> Predictions:
    """Read published predictions, verified.

    Raises:
        ContractError: a line is not a prediction.
    """
    snapshot = slot.resolve(digest)
    try:
        rows = msgspec.json.Decoder(Prediction).decode_lines(snapshot.file("predictions.jsonl").read_bytes())
    except msgspec.DecodeError as error:
        raise ContractError(f"predictions.jsonl of {slot.key!r} breaks its contract: {error}") from error
    return Predictions(snapshot, PredictionsMeta.read(snapshot.file("predictions_meta.json")), rows)


def read_eval(slot: Slot, *, digest: str | None = None) -> EvalReport:
    """Read a published report, verified."""
    return EvalReport.read(slot.resolve(digest).file("eval.json"))


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
    asked = load_evaluation_set(
        store, identity.dataset_version, dataset_digest=predictions.meta.dataset_digest
    ).first(predictions.meta.num_items)
    _refuse_mismatch(run, identity, predictions, asked)
    scores = score_items(
        asked.items,
        predictions.rows,
        template(predictions.meta.template),
        num_samples=predictions.meta.decoding.num_samples,
    )
    report = build_report(identity, predictions, asked, scores)
    parents = {
        "predictions": predictions.snapshot.digest,
        "dataset": report.dataset_digest,
        "model": report.model_digest,
    }
    slot = eval_slot(run, evaluation_set)
    with slot.publish(content_digest=report.digest(), parents=parents, code_version=scorer_digest()) as draft:
        (draft.path / "eval.json").write_bytes(report.to_json())
        table = ITEM_SCORES_SCHEMA.table(map(msgspec.to_builtins, scores))
        write_table(table, draft.path / "item_scores.parquet")
        (draft.path / "README.md").write_text(render_report(report, scores), encoding="utf-8")
    return draft.snapshot


def build_report(
    identity: RunIdentity, predictions: Predictions, asked: EvaluationSet, scores: Sequence[ItemScore]
) -> EvalReport:
    """Return the report over item scores; the denominator is every item that was to be asked.

    An item with several samples counts once, with their mean: the items are what was drawn independently.
    """
    meta = predictions.meta
    scored = [score for score in scores if score.status != "missing"]
    coverage = len(scored) / len(scores)
    metrics = (
        {name: estimate([getattr(score, name) for score in scored]) for name in METRICS} if scored else {}
    )
    return EvalReport(
        run_id=meta.run_id,
        dataset_version=identity.dataset_version,
        recipe=identity.train.recipe,
        evaluation_set=meta.evaluation_set,
        evaluation_set_digest=asked.digest,
        dataset_digest=asked.dataset_digest,
        model_digest=meta.model_digest,
        predictions_digest=predictions.snapshot.digest,
        template=meta.template,
        template_digest=meta.template_digest,
        scorer=SCORER,
        scorer_digest=scorer_digest(),
        max_new_tokens=meta.decoding.max_new_tokens,
        num_samples=meta.decoding.num_samples,
        n_items=len(scores),
        n_scored=len(scored),
        coverage=coverage,
        status_counts=dict(sorted(Counter(score.status for score in scores).items())),
        metrics=metrics,
        families=_by_family(scored),
        primary_score=metrics[SCORER].mean if coverage == 1 else None,
        self_test=run_self_test(asked.items, template(meta.template)),
    )


def render_report(report: EvalReport, scores: Sequence[ItemScore], *, num_samples: int = 8) -> str:
    """Return the report as Markdown: metrics, families, and the first items with what was written."""
    shown = [score for score in scores if score.text is not None][:num_samples]
    return "\n".join(
        [
            f"# {report.run_id} on {report.evaluation_set}",
            "",
            f"{report.n_scored} of {report.n_items} items have {_all_samples(report.num_samples)}:"
            f" {', '.join(f'{count} {status}' for status, count in report.status_counts.items())}.",
            "",
            "| Metric | Mean | 95 % interval | Standard error | n |",
            "|---|---|---|---|---|",
            *(_metric_line(name, metric) for name, metric in report.metrics.items()),
            *(_metric_line(f"correct: {name}", metric) for name, metric in report.families.items()),
            "",
            f"Scorer `{report.scorer}` at `{report.scorer_digest[:16]}`, model `{report.model_digest[:16]}`,"
            f" evaluation set `{report.evaluation_set_digest[:16]}`, template `{report.template}`.",
            "",
            *(line for score in shown for line in _sample_lines(score)),
        ]
    )


def _all_samples(num_samples: int) -> str:
    return "a prediction" if num_samples == 1 else f"all {num_samples} predictions, whose mean counts"


def _metric_line(name: str, metric: MetricEstimate) -> str:
    interval = f"{metric.ci95_low:.3f} to {metric.ci95_high:.3f}"
    return f"| {name} | {metric.mean:.3f} | {interval} | {metric.stderr:.3f} | {metric.n} |"


def _sample_lines(score: ItemScore) -> list[str]:
    correct = score.answer_correctness or 0.0
    verdict = (
        "right" if correct == 1 else f"wrong, {score.status}" if correct == 0 else f"{correct:.3f} right"
    )
    text = "\n".join(f"    {line}" for line in (score.text or "").splitlines())
    return [f"Item `{score.item_id[:16]}` ({verdict}; expected `{score.expected}`):", "", text, ""]


def _by_family(scored: Sequence[ItemScore]) -> dict[str, MetricEstimate]:
    values: dict[str, list[float]] = defaultdict(list)
    for score in scored:
        values[score.family].append(score.answer_correctness or 0.0)
    return {family: estimate(found) for family, found in sorted(values.items())}


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
