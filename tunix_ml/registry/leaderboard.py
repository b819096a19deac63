"""The leaderboard: every evaluated run, ranked where its number can be believed."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.leaderboard import LEADERBOARD_SCHEMA, PAIRS_SCHEMA
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.datasets.evaluation_set import is_ranking
from tunix_ml.evaluation.aggregate import by_item, values_of
from tunix_ml.evaluation.report import eval_slot, read_eval, read_scores
from tunix_ml.markdown import table
from tunix_ml.parquet import read_table, write_table
from tunix_ml.provenance import source_digest
from tunix_ml.registry.ranks import Board, rank_board
from tunix_ml.registry.run_facts import run_facts
from tunix_ml.registry.validity import VALID, validity
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot, StoreError
from tunix_ml.store import RunDirectory, Store

Row = dict[str, Any]
LEADERBOARD, KEY = "leaderboard", "all"
LEASE_TIMEOUT_S = 600.0  # several runs may end at once, and each collects everything

_SHOWN = (
    "Rank",
    "Ties",
    "Asked",
    "Scorer",
    "Model",
    "Recipe",
    "Score",
    "95 % interval",
    "n",
    "Status",
    "Run",
)
_SHOWN_METRICS = (
    "format_valid",
    "hit_max_new_tokens",
    "claims_correct",
    "gold_step_recall",
    "answer_supported",
    "trace_num_tokens",
    "gold_nats_per_token",
)
_FROM_REPORT = (
    "answer_rule",
    "primary_metric",
    "primary_score",
    "n_items",
    "num_samples",
    "coverage",
    "dataset_version",
    "recipe",
    "evaluation_set",
    "evaluation_set_digest",
    "scorer",
    "run_id",
)


class CollectedRows(NamedTuple):
    """A row for each report of each run, without ranks, and why runs could not be read."""

    rows: list[Row]
    unreadable: dict[str, str]


class Leaderboard(NamedTuple):
    """The rows, best first within each board, the pairs behind the ranks, and why runs could not be read."""

    rows: list[Row]
    pairs: list[Row]
    unreadable: dict[str, str]


def publish_leaderboard(store: Store, *, required_checks: Sequence[str]) -> Snapshot:
    """Collect all evaluated runs and publish the rows and the pairs.

    They are collected while no other process can publish: a board never replaces one that knew more.
    """
    slot = store.slot(LEADERBOARD, KEY)
    code_version = source_digest("registry")
    with slot.publish(code_version=code_version, lease_timeout_s=LEASE_TIMEOUT_S) as draft:
        board = collect_leaderboard(store, required_checks=required_checks)
        draft.parents.update(
            (f"{row['run_id']}/{row['evaluation_set']}/{row['scorer']}", row["eval_digest"])
            for row in board.rows
        )
        write_table(LEADERBOARD_SCHEMA.table(board.rows), draft.path / "leaderboard.parquet")
        write_table(PAIRS_SCHEMA.table(board.pairs), draft.path / "pairs.parquet")
        document = json.dumps(board._asdict(), indent=2, sort_keys=True, allow_nan=False)
        (draft.path / "leaderboard.json").write_text(document + "\n", encoding="utf-8")
        (draft.path / "README.md").write_text(render_boards(board.rows), encoding="utf-8")
    return draft.snapshot


def render_boards(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, in their order."""
    return "\n".join(["# Leaderboard", "", *table(_SHOWN, map(_cells, rows))]) + "\n"


def read_leaderboard(snapshot: Snapshot) -> list[Row]:
    """Return the published rows, verified, in their order."""
    rows: list[Row] = read_table(snapshot.file("leaderboard.parquet")).to_pylist()
    return rows


def read_pairs(snapshot: Snapshot) -> list[Row]:
    """Return the published pairs, verified, in their order."""
    rows: list[Row] = read_table(snapshot.file("pairs.parquet")).to_pylist()
    return rows


def collect_leaderboard(store: Store, *, required_checks: Sequence[str]) -> Leaderboard:
    """Return the rows of the store as they are now, and the ranks of those that are valid."""
    return _ranked(store, *collect_rows(store, required_checks=required_checks))


def collect_rows(store: Store, *, required_checks: Sequence[str]) -> CollectedRows:
    """Return a row for each run, evaluation set and scorer in the store as they are now.

    A row is valid only if its report has passed every one of the required checks.
    """
    rows: list[Row] = []
    unreadable: dict[str, str] = {}
    for run_id in store.run_ids():
        try:
            run = store.run(run_id)
            slots = [slot for slot in run.slots("eval") if is_ranking(slot.path.name)]
        except ContractError as error:
            unreadable[run_id] = str(error)
            continue
        for slot in slots:
            try:
                rows.append(_row(store, run, slot, required_checks))
            except (StoreError, ContractError, OSError) as error:
                unreadable[f"{run_id}/{slot.table}"] = str(error)
    return CollectedRows(rows, unreadable)


def report_of(store: Store, row: Row) -> Snapshot:
    """Return the published report behind a row.

    Raises:
        NotPublished: it is gone.
    """
    slot = eval_slot(store.run(row["run_id"]), row["evaluation_set"], row["scorer"])
    return slot.resolve(row["eval_digest"])


def _row(store: Store, run: RunDirectory, slot: Slot, required_checks: Sequence[str]) -> Row:
    snapshot = slot.resolve()
    report = read_eval(slot)
    verdict = validity(store, run, slot, report, required_checks=required_checks)
    score = report.metrics.get(report.primary_metric)
    return {
        **dict.fromkeys(("rank", "tie_group", "rank_low", "rank_high")),
        "status": verdict.status,
        "reason": verdict.reason,
        "ci95_low": score.ci95_low if score else None,
        "ci95_high": score.ci95_high if score else None,
        "stderr": score.stderr if score else None,
        "evaluated_at": snapshot.record.created_at,
        "fingerprint": report.fingerprint(),
        "inputs": json.dumps(report.inputs, sort_keys=True),
        "eval_digest": snapshot.digest,
        **{name: _mean(report, name) for name in _SHOWN_METRICS},
        **{name: getattr(report, name) for name in _FROM_REPORT},
        **run_facts(run, report.evaluation_set)._asdict(),
    }


def _cells(row: Row) -> list[object]:
    score, low, high = row["primary_score"], row["ci95_low"], row["ci95_high"]
    return [
        row["rank"] or "-",
        row["tie_group"] or "-",
        row["evaluation_set"],
        row["scorer"],
        row["model"],
        row["recipe"],
        "-" if score is None else f"{score:.3f}",
        "-" if low is None else f"{low:.3f} to {high:.3f}",
        row["n_items"],
        f"{row['status']}: {row['reason']}" if row["reason"] else row["status"],
        row["run_id"],
    ]


def _mean(report: EvalReport, metric: str) -> float | None:
    found = report.metrics.get(metric)
    return found.mean if found else None


def _ranked(store: Store, rows: list[Row], unreadable: dict[str, str]) -> Leaderboard:
    """Rank the valid rows of each evaluation content and scorer; the others stand below them."""
    boards: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        boards[row["evaluation_set"], row["evaluation_set_digest"], row["scorer"]].append(row)
    ordered: list[Row] = []
    pairs: list[Row] = []
    for key in sorted(boards):
        board = _rank(store, [row for row in boards[key] if row["status"] == VALID])
        for row in boards[key]:
            row.update(board.ranks[row["run_id"]]._asdict() if row["run_id"] in board.ranks else {})
        ordered += sorted(boards[key], key=_order)
        pairs += _pair_rows(board, evaluation_set=key[0], scorer=key[2])
    return Leaderboard(ordered, pairs, unreadable)


def _rank(store: Store, rows: list[Row]) -> Board:
    if not rows:
        return Board({}, [])
    metric = METRICS[rows[0]["primary_metric"]]
    items = {row["run_id"]: by_item(read_scores(report_of(store, row))) for row in rows}
    clusters = {item.item_id: item.cluster for item in items[rows[0]["run_id"]]}
    values = {run_id: values_of(found, metric.name) for run_id, found in items.items()}
    return rank_board(values, metric, clusters=clusters)


def _pair_rows(board: Board, *, evaluation_set: str, scorer: str) -> list[Row]:
    return [{"evaluation_set": evaluation_set, "scorer": scorer, **pair} for pair in board.pairs]


def _order(row: Row) -> tuple[bool, int, str]:
    return row["rank"] is None, row["rank"] or 0, row["run_id"]
