"""The leaderboard: every evaluated run, ranked where its number can be believed."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tunix_ml.audits import audits
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import EvalReport, MetricEstimate
from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA
from tunix_ml.contracts.training import CheckpointRecord
from tunix_ml.evaluation.report import predictions_slot, read_eval, scorer_digest
from tunix_ml.evaluation.score import SCORER
from tunix_ml.parquet import read_table, write_table
from tunix_ml.provenance import source_digest
from tunix_ml.registry.page import render_page
from tunix_ml.store import RunDirectory, Slot, Snapshot, Store, StoreError

Row = dict[str, Any]
VALID = "valid"


class Leaderboard(NamedTuple):
    """The rows, best first within each evaluation set, and why other runs could not be read."""

    rows: list[Row]
    unreadable: dict[str, str]


def publish_leaderboard(store: Store, *, required_checks: Sequence[str]) -> Snapshot:
    """Collect all evaluated runs and publish table, JSON and page."""
    board = collect_leaderboard(store, required_checks=required_checks)
    parents = {f"{row['run_id']}/{row['evaluation_set']}": row["eval_digest"] for row in board.rows}
    slot = store.slot("leaderboard", "all")
    with slot.publish(parents=parents, code_version=source_digest("registry")) as draft:
        write_table(LEADERBOARD_SCHEMA.table(board.rows), draft.path / "leaderboard.parquet")
        document = json.dumps(board._asdict(), indent=2, sort_keys=True, allow_nan=False)
        (draft.path / "leaderboard.json").write_text(document + "\n", encoding="utf-8")
        (draft.path / "index.html").write_text(render_page(board.rows, board.unreadable), encoding="utf-8")
    return draft.snapshot


def read_leaderboard(snapshot: Snapshot) -> list[Row]:
    """Return the published rows, verified, in their order."""
    rows: list[Row] = read_table(snapshot.file("leaderboard.parquet")).to_pylist()
    return rows


def collect_leaderboard(store: Store, *, required_checks: Sequence[str]) -> Leaderboard:
    """Return a row for each run and evaluation set in the store as they are now.

    A row is ranked only if its report has passed every one of the required checks.
    """
    rows: list[Row] = []
    unreadable: dict[str, str] = {}
    for run_id in store.run_ids():
        try:
            run = store.run(run_id)
            slots = run.slots("eval")
        except ContractError as error:
            unreadable[run_id] = str(error)
            continue
        for slot in slots:
            try:
                rows.append(_row(store, run, slot, required_checks))
            except (StoreError, ContractError, OSError) as error:
                unreadable[f"{run_id}/{slot.table}"] = str(error)
    return Leaderboard(_ranked(rows), unreadable)


def row_status(
    store: Store, run: RunDirectory, slot: Slot, report: EvalReport, required_checks: Sequence[str]
) -> str:
    """Return `valid`, or what is wrong: `invalid: …`, `incomplete: …` or `stale: …`."""
    snapshot = slot.resolve()
    problems = snapshot.verify()
    found = audits(slot, snapshot.digest)
    problems += [f"check {audit.check} failed" for audit in found.values() if not audit.passed]
    problems += [f"check {name} was never run" for name in required_checks if name not in found]
    if problems:
        return "invalid: " + "; ".join(problems)
    if report.scorer != SCORER:
        return f"invalid: scorer {report.scorer} is not known"
    if report.coverage < 1:
        return f"incomplete: {report.n_scored} of {report.n_items} items have a prediction"
    stale = [name for name, is_current in _currency(store, run, report) if not is_current]
    return f"stale: {', '.join(stale)} changed since" if stale else VALID


def _currency(store: Store, run: RunDirectory, report: EvalReport) -> Iterable[tuple[str, bool]]:
    dataset = store.slot("dataset", report.dataset_version).pointer()
    predictions = predictions_slot(run, report.evaluation_set).pointer()
    yield "dataset", dataset is not None and dataset.content_digest == report.dataset_digest
    checkpoint = CheckpointRecord.read(run.path / "checkpoint.json")
    yield "model", checkpoint.model_digest == report.model_digest
    yield "predictions", predictions is not None and predictions.content_digest == report.predictions_digest
    yield "scorer", report.scorer_digest == scorer_digest()


def _row(store: Store, run: RunDirectory, slot: Slot, required_checks: Sequence[str]) -> Row:
    report = read_eval(slot)
    checkpoint = CheckpointRecord.read(run.path / "checkpoint.json")
    score = report.metrics.get(report.scorer)
    return {
        "rank": None,
        "status": row_status(store, run, slot, report, required_checks),
        "primary_score": report.primary_score,
        "ci95_low": score.ci95_low if score else None,
        "ci95_high": score.ci95_high if score else None,
        "stderr": score.stderr if score else None,
        "format_valid": _mean(report.metrics.get("format_valid")),
        "hit_max_new_tokens": _mean(report.metrics.get("hit_max_new_tokens")),
        "validation_loss": checkpoint.validation_loss,
        "num_params": checkpoint.num_params,
        "train_time_s": checkpoint.train_time_s,
        "eval_digest": slot.resolve().digest,
        **{name: getattr(report, name) for name in _FROM_REPORT},
    }


_FROM_REPORT = (
    "dataset_version",
    "recipe",
    "template",
    "n_items",
    "coverage",
    "evaluation_set",
    "scorer",
    "run_id",
    "dataset_digest",
    "evaluation_set_digest",
    "model_digest",
    "predictions_digest",
    "scorer_digest",
)


def _mean(metric: MetricEstimate | None) -> float | None:
    return metric.mean if metric else None


def _ranked(rows: list[Row]) -> list[Row]:
    """Rank the valid rows of each evaluation content and scorer by score; equal scores share a rank."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["evaluation_set"], row["evaluation_set_digest"], row["scorer"]].append(row)
    ordered: list[Row] = []
    for key in sorted(groups):
        scores = [row["primary_score"] for row in groups[key] if row["status"] == VALID]
        for row in groups[key]:
            if row["status"] == VALID:
                row["rank"] = 1 + sum(score > row["primary_score"] for score in scores)
        ordered += sorted(groups[key], key=_order)
    return ordered


def _order(row: Row) -> tuple[bool, int, str]:
    return row["rank"] is None, row["rank"] or 0, row["run_id"]
