"""`tunix-rt leaderboard`: every evaluated run, ranked where its number can be believed."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, table, tell

if TYPE_CHECKING:
    from tunix_ml.store import Store

_HEAD = ("RANK", "TIES", "ASKED", "SCORER", "MODEL", "SCORE", "95 % INTERVAL", "N", "STATUS", "RUN")


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verb of this module."""
    parser = add_verb(
        verbs,
        "leaderboard",
        summary="every evaluated run, ranked where its number can be believed",
        run=_leaderboard,
        examples=[
            "tunix-rt leaderboard",
            "tunix-rt leaderboard --set golden-v2.test --status valid",
            "tunix-rt leaderboard --dataset golden-v2 --json",
        ],
    )
    parser.add_argument("--set", metavar="NAME", help="only rows on this evaluation set")
    parser.add_argument("--dataset", metavar="VERSION", help="only runs trained on this dataset version")
    parser.add_argument(
        "--scorer", metavar="NAME", help="only rows by this scorer, `answers` or `judge:<name>`"
    )
    parser.add_argument("--status", choices=("valid", "stale", "incomplete", "invalid"))
    parser.add_argument(
        "--published", action="store_true", help="rows as the asset published them last, not as they are now"
    )


def _leaderboard(options: Namespace, store: "Store") -> int:
    rows, unreadable = _rows(options, store)
    filters = {
        "evaluation_set": options.set,
        "dataset_version": options.dataset,
        "scorer": options.scorer,
        "status": options.status,
    }
    wanted = {name: value for name, value in filters.items() if value is not None}
    everything = rows
    rows = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    told = [f"{name} cannot be read: {reason}" for name, reason in sorted(unreadable.items())]
    shown = table(_HEAD, map(_cells, rows)) if rows else _nothing(everything)
    text = "\n".join([shown, *told])
    tell(options, record={"rows": rows, "unreadable": unreadable}, text=text)
    return EXIT_DONE


def _nothing(rows: list[dict[str, Any]]) -> str:
    """Say why no row is shown: there is none, or none has what was asked for."""
    if not rows:
        return "No run has been evaluated yet."
    names = (("evaluation_set", "sets"), ("dataset_version", "datasets"), ("scorer", "scorers"))
    there = "; ".join(f"{label}: {', '.join(sorted({row[name] for row in rows}))}" for name, label in names)
    return f"None of the {len(rows):,} rows is like that. There are {there}."


def _rows(options: Namespace, store: "Store") -> tuple[list[dict[str, Any]], dict[str, str]]:
    from asset_checks.catalog import blocking_checks
    from tunix_ml.registry.leaderboard import KEY, LEADERBOARD, collect_leaderboard, read_leaderboard

    if options.published:
        return read_leaderboard(store.slot(LEADERBOARD, KEY).resolve()), {}
    board = collect_leaderboard(store, required_checks=blocking_checks("eval_report"))
    return board.rows, board.unreadable


def _cells(row: dict[str, Any]) -> list[object]:
    score, low, high = row["primary_score"], row["ci95_low"], row["ci95_high"]
    return [
        row["rank"],
        row["tie_group"],
        row["evaluation_set"],
        row["scorer"],
        row["model"],
        None if score is None else f"{score:.3f}",
        None if low is None else f"{low:.3f} to {high:.3f}",
        row["n_items"],
        f"{row['status']}: {row['reason']}" if row["reason"] else row["status"],
        row["run_id"],
    ]
