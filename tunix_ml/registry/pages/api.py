"""The JSON documents of the site: the same facts as on its pages, under stable paths, for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tunix_ml.contracts.evaluation import ItemScore
from tunix_ml.contracts.training import MetricsRow
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.boards import Results
from tunix_ml.registry.pages.evaluations import Evaluation
from tunix_ml.registry.pages.lineage import Link
from tunix_ml.registry.pages.published_sets import PublishedDataset, PublishedSet
from tunix_ml.registry.pages.run_files import RunFiles
from tunix_ml.registry.pages.runs_page import RunsView
from tunix_ml.registry.pages.sweeps import PublishedSweep

SCHEMA_VERSION = 1
MOST_METRICS = 2_000
MOST_ITEMS = 5_000
MOST_TEXT_CHARS = 1_000
MOST_TEXT_CHARS_OF_A_RUN = 60_000
ITEM_COLUMNS = ("item_id", "sample_index", "status", "score", "expected", "extracted", "text")
_MAX_ANSWER_CHARS = 200
Document = dict[str, Any]


def to_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON, newline-terminated; half a surrogate pair is written as its escape."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def leaderboard_document(results: Results) -> Document:
    """Return every row as the leaderboard has it, with its inputs as an object."""
    rows = [{**row, "inputs": json.loads(row["inputs"])} for row in results.rows]
    return _document(results, rows=rows, unreadable=dict(results.unreadable))


def pairs_document(results: Results) -> Document:
    """Return every pair that was tested."""
    return _document(results, pairs=results.pairs)


def runs_document(results: Results, view: RunsView) -> Document:
    """Return the state of every run, and every failure that was not made good."""
    runs = [{**_dumped(line.state), "reason": line.reason or None, "page": line.page} for line in view.runs]
    failures = [
        {**_dumped(line.fact), "reason": line.reason.text, "next_step": line.next_step}
        for line in view.failures
    ]
    return _document(results, runs=runs, failures=failures)


def run_document(
    files: RunFiles, evaluations: Sequence[Evaluation], chains: Sequence[Sequence[Link]]
) -> Document:
    """Return what a run is, and the reports on it with what each rests on."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": files.run_id,
        "identity": _dumped(files.identity),
        "system": _dumped(files.system),
        "checkpoint": _dumped(files.checkpoint),
        "provenance": files.provenance,
        "evaluations": [
            {
                "status": evaluation.row["status"],
                "reason": evaluation.row["reason"],
                "rank": evaluation.row["rank"],
                "eval_digest": evaluation.row["eval_digest"],
                "report": _dumped(evaluation.report),
                "lineage": [{"label": one.label, "name": one.name, "digest": one.digest} for one in chain],
                "problems": list(evaluation.problems),
            }
            for evaluation, chain in zip(evaluations, chains, strict=True)
        ],
        "problems": list(files.problems),
    }


def metrics_document(run_id: str, rows: Sequence[MetricsRow]) -> Document:
    """Return the metrics of a run; of very many rows every so many, and the last."""
    step = -(-len(rows) // MOST_METRICS) or 1
    kept = [row for index, row in enumerate(rows) if index % step == 0 or index == len(rows) - 1]
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "num_rows": len(rows),
        "num_left_out": len(rows) - len(kept),
        "rows": [row.model_dump(mode="json") for row in kept],
    }


def items_document(run_id: str, evaluations: Iterable[Evaluation]) -> Document:
    """Return the scores of every item, as rows under `columns`, with the first texts."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "columns": ITEM_COLUMNS,
        "evaluations": [_items(evaluation) for evaluation in evaluations],
    }


def dataset_document(dataset: PublishedDataset) -> Document:
    """Return the manifest of a dataset version; the ids of its traces are many and left out."""
    manifest = dataset.manifest.model_dump(mode="json", exclude={"trace_ids"})
    return {"schema_version": SCHEMA_VERSION, "content_digest": dataset.digest, "manifest": manifest}


def evaluation_set_document(published: PublishedSet) -> Document:
    """Return the manifest of an evaluation set."""
    return {
        "schema_version": SCHEMA_VERSION,
        "content_digest": published.digest,
        "manifest": published.manifest.model_dump(mode="json"),
    }


def sweep_document(sweep: PublishedSweep) -> Document:
    """Return what came of a sweep, and its trials."""
    return {
        "schema_version": SCHEMA_VERSION,
        "content_digest": sweep.snapshot.digest,
        "report": sweep.report.model_dump(mode="json"),
        "trials": [trial.model_dump(mode="json") for trial in sweep.trials],
    }


def index_document(
    results: Results,
    *,
    datasets: Iterable[str],
    evaluation_sets: Iterable[str],
    sweeps: Iterable[str] = (),
) -> Document:
    """Return the paths of all other documents, relative to the site's root."""
    runs = {
        run_id: {name: links.run_document(run_id, name) for name in ("run", "metrics", "items")}
        for run_id in results.run_ids
    }
    return _document(
        results,
        leaderboard=links.API_LEADERBOARD,
        pairs=links.API_PAIRS,
        run_states=links.API_RUNS,
        runs=runs,
        datasets={name: links.dataset_document(name) for name in datasets},
        evaluation_sets={name: links.evaluation_set_document(name) for name in evaluation_sets},
        sweeps={sweep_id: links.sweep_document(sweep_id) for sweep_id in sweeps},
    )


def _document(results: Results, **values: Any) -> Document:
    record = results.snapshot.record
    return {
        "schema_version": SCHEMA_VERSION,
        "leaderboard_digest": record.content_digest,
        "leaderboard_made_at": record.created_at,
        **values,
    }


def _dumped(value: Any) -> Any:
    return None if value is None else msgspec.to_builtins(value.model_dump(mode="json"))


def _items(evaluation: Evaluation) -> Document:
    row, scores = evaluation.row, evaluation.scores
    left, rows = MOST_TEXT_CHARS_OF_A_RUN, []
    for score in scores[:MOST_ITEMS]:
        text = score.text if left > 0 else None
        shown = None if text is None else text[: min(MOST_TEXT_CHARS, left)]
        left -= len(shown or "")
        rows.append(_item(score, row["primary_metric"], shown))
    return {
        "evaluation_set": row["evaluation_set"],
        "evaluation_set_digest": row["evaluation_set_digest"],
        "scorer": row["scorer"],
        "metric": row["primary_metric"],
        "num_rows": len(scores),
        "num_left_out": len(scores) - len(rows),
        "num_texts_cut_or_left_out": sum(
            (score.text or "") != (shown[-1] or "") for score, shown in zip(scores, rows, strict=False)
        ),
        "rows": rows,
    }


def _item(score: ItemScore, metric: str, text: str | None) -> list[Any]:
    answers = (score.expected, score.extracted)
    expected, extracted = (None if answer is None else answer[:_MAX_ANSWER_CHARS] for answer in answers)
    return [
        score.item_id,
        score.sample_index,
        score.status,
        score.scores.get(metric),
        expected,
        extracted,
        text,
    ]
