"""The published leaderboard as boards: the rows of one evaluation set and scorer, and their pairs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunix_ml.contracts.comparison import PairedResult
from tunix_ml.registry.leaderboard import Row, read_leaderboard, read_pairs
from tunix_ml.registry.pages.text import portable
from tunix_ml.snapshot import Snapshot


@dataclass(frozen=True)
class TestedPair:
    """A pair that was tested on its board, with the p-value adjusted for all of the board's pairs."""

    result: PairedResult
    p_holm: float


@dataclass(frozen=True)
class Board:
    """The rows of one (evaluation set, its content, scorer), best first; those without a rank come last."""

    evaluation_set: str
    evaluation_set_digest: str
    scorer: str
    rows: tuple[Row, ...]
    pairs: Mapping[tuple[str, str], TestedPair] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The metric that ranks."""
        return str(self.rows[0]["primary_metric"])

    @property
    def ranked(self) -> list[Row]:
        """The rows that have a rank."""
        return [row for row in self.rows if row["rank"] is not None]

    @property
    def num_pairs(self) -> int:
        """How many pairs were tested, each once."""
        return len(self.pairs) // 2

    def tested(self, run_a: str, run_b: str) -> TestedPair | None:
        """Return what was found of a against b, None where the two were not tested."""
        return self.pairs.get((run_a, run_b))


@dataclass(frozen=True)
class Results:
    """A published leaderboard, read back."""

    snapshot: Snapshot
    boards: tuple[Board, ...]
    pairs: list[Row]
    unreadable: Mapping[str, str]

    @property
    def rows(self) -> list[Row]:
        """All rows, board after board."""
        return [row for board in self.boards for row in board.rows]

    @property
    def run_ids(self) -> list[str]:
        """The runs that have a row, sorted."""
        return sorted({row["run_id"] for row in self.rows})

    def boards_of(self, run_id: str) -> list[tuple[Board, Row]]:
        """Return the boards that a run stands on, with its row."""
        return [(board, row) for board in self.boards for row in board.rows if row["run_id"] == run_id]


def read_results(snapshot: Snapshot, *, home: Path) -> Results:
    """Read a published leaderboard, verified; sentences in it do not name the store's place, `home`."""
    pairs = read_pairs(snapshot)
    document: dict[str, Any] = json.loads(snapshot.file("leaderboard.json").read_bytes())
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in read_leaderboard(snapshot):
        row["reason"] = portable(row["reason"], home=home)
        key = (row["evaluation_set"], row["evaluation_set_digest"], row["scorer"])
        groups.setdefault(key, []).append(row)
    boards = tuple(Board(*key, tuple(rows), _tested(key, rows, pairs)) for key, rows in groups.items())
    unreadable = {name: portable(why, home=home) for name, why in document["unreadable"].items()}
    return Results(snapshot, boards, pairs, unreadable)


def _tested(
    key: tuple[str, str, str], rows: list[Row], pairs: list[Row]
) -> dict[tuple[str, str], TestedPair]:
    """Return what was found of each pair of a board's runs, seen from either of the two."""
    runs = {row["run_id"] for row in rows}
    found = {}
    for pair in pairs:
        is_here = (pair["evaluation_set"], pair["scorer"]) == (key[0], key[2])
        if is_here and {pair["run_a"], pair["run_b"]} <= runs:
            found[pair["run_a"], pair["run_b"]] = TestedPair(_result(pair), pair["p_holm"])
            found[pair["run_b"], pair["run_a"]] = TestedPair(_mirrored(_result(pair)), pair["p_holm"])
    return found


def _result(pair: Row) -> PairedResult:
    return PairedResult(
        n=pair["n"],
        difference=pair["difference"],
        ci95_low=pair["ci95_low"],
        ci95_high=pair["ci95_high"],
        test=pair["test"],
        p_value=pair["p_value"],
    )


def _mirrored(result: PairedResult) -> PairedResult:
    """Return the same result with the two runs exchanged."""
    low, high = result.ci95_low, result.ci95_high
    return result.model_copy(
        update={
            "difference": -result.difference,
            "ci95_low": None if high is None else -high,
            "ci95_high": None if low is None else -low,
        }
    )
