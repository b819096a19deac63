"""The policy: which of the runs on a board is the best one, where the board alone does not say."""

import json
import math
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from tunix_ml.contracts.artifact import Digest
from tunix_ml.registry.validity import VALID

Row = dict[str, Any]


class Scope(NamedTuple):
    """What runs are compared on: the questions, and how answers are scored."""

    evaluation_set: str
    scorer: str


def choose_best(
    rows: Iterable[Row],
    *,
    scope: Scope,
    incumbent: Digest | None,
    passed_over: Collection[Digest] = (),
) -> Row | None:
    """Return the row of the best run in a scope, None if no row is eligible.

    Best is who stands in the best group of ties. Among those the incumbent wins, then the cheaper run by
    device seconds, then the smaller model, then the one evaluated earlier: where the items cannot tell two
    runs apart, nothing is gained by a change, and a dearer run has to show what it is dearer for.

    Args:
        rows: of the leaderboard.
        scope: the board.
        incumbent: version in office.
        passed_over: versions that are not to be chosen.
    """
    eligible = [row for row in eligible_rows(rows, scope=scope) if version_of(row) not in passed_over]
    return min(eligible, key=lambda row: _place(row, incumbent), default=None)


def eligible_rows(rows: Iterable[Row], *, scope: Scope) -> list[Row]:
    """Return the valid, complete rows in a scope of runs that have a model here.

    If a part of the questions is a board of its own, as with `max_items`, the board with the most items is
    meant.
    """
    found = [
        row for row in rows_in(rows, scope=scope) if is_sound(row) and row["dataset_version"] is not None
    ]
    most = max((row["n_items"] for row in found), default=0)
    return [row for row in found if row["n_items"] == most]


def rows_in(rows: Iterable[Row], *, scope: Scope) -> list[Row]:
    """Return the rows of a scope, whatever their status."""
    return [row for row in rows if (row["evaluation_set"], row["scorer"]) == scope]


def row_of(rows: Iterable[Row], run_id: str, *, scope: Scope) -> Row | None:
    """Return the row of a run in a scope."""
    return next((row for row in rows_in(rows, scope=scope) if row["run_id"] == run_id), None)


def row_of_version(rows: Iterable[Row], version: Digest, *, scope: Scope) -> Row | None:
    """Return a row of a version in a scope: a sound one, if one of its runs has one."""
    found = [row for row in rows_in(rows, scope=scope) if version_of(row) == version]
    return min(found, key=lambda row: (not is_sound(row), row["run_id"]), default=None)


def is_sound(row: Row) -> bool:
    """Say whether a row is valid, over all items, and has a score."""
    return row["status"] == VALID and row["coverage"] == 1 and row["primary_score"] is not None


def inputs_of(row: Row) -> dict[str, Digest]:
    """Return the digests that a row rests on, by name."""
    inputs: dict[str, Digest] = json.loads(row["inputs"])
    return inputs


def version_of(row: Row) -> Digest | None:
    """Return the digest of the model folder behind a row, None where there is none here."""
    return inputs_of(row).get("model")


def _place(row: Row, incumbent: Digest | None) -> tuple[Any, ...]:
    """Return what orders rows: the best first."""
    group = math.inf if row["tie_group"] is None else row["tie_group"]  # beyond the runs compared in pairs
    rank = row["rank"] if row["tie_group"] is None else 0
    costs = (math.inf if row[name] is None else row[name] for name in ("device_seconds", "num_params"))
    is_other = incumbent is None or version_of(row) != incumbent
    return (group, rank, is_other, *costs, row["evaluated_at"], row["run_id"])
