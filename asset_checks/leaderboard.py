"""Facts about the leaderboard."""

import json
from collections import Counter

from asset_checks.eval_report import BLOCKING
from asset_checks.outcome import Check, Outcome, Severity, Subject, all_hold
from tunix_ml.registry.leaderboard import Row, collect_leaderboard, read_leaderboard, read_pairs
from tunix_ml.registry.ranks import Rank
from tunix_ml.registry.validity import VALID

_RANKS = frozenset(Rank._fields)


def rows_are_current(subject: Subject) -> Outcome:
    """Every displayed row is what the store says now: same runs, same scores, same verdicts, same pairs."""
    board = collect_leaderboard(subject.store, required_checks=BLOCKING)
    shown = {_key(row): row for row in read_leaderboard(subject.snapshot)}
    now = {_key(row): row for row in board.rows}
    problems = [f"{key} is not shown" for key in sorted(now.keys() - shown.keys())]
    problems += [f"{key} is shown and gone" for key in sorted(shown.keys() - now.keys())]
    problems += [
        f"{key} is out of date in {[name for name in now[key] if now[key][name] != shown[key].get(name)]}"
        for key in sorted(now.keys() & shown.keys())
        if now[key] != shown[key]
    ]
    if read_pairs(subject.snapshot) != board.pairs:
        problems.append("the pairs behind the ranks are out of date")
    severity: Severity = "WARN" if _is_only_late(shown, now) else "ERROR"
    return all_hold(problems, subject="rows", facts={"num_rows": len(shown)}, severity=severity)


def _is_only_late(shown: dict[str, Row], now: dict[str, Row]) -> bool:
    """Say whether all that differs follows from reports or verdicts that have come since.

    Another run that ends at the same time publishes them, and its own leaderboard shows them: they move the
    ranks of others, but nothing that is shown as valid may be anything else now.
    """
    late = {
        key for key in now if key not in shown or (shown[key]["status"] != VALID and _differ(key, shown, now))
    }
    others = shown.keys() - late
    return bool(late) and others <= now.keys() and not any(_differ(key, shown, now) for key in others)


def _differ(key: str, shown: dict[str, Row], now: dict[str, Row]) -> bool:
    return any(now[key][name] != shown[key].get(name) for name in now[key] if name not in _RANKS)


def each_key_has_one_row(subject: Subject) -> Outcome:
    """A run has one row per evaluation set and scorer."""
    counts = Counter(_key(row) for row in read_leaderboard(subject.snapshot))
    problems = [f"{key} has {count} rows" for key, count in sorted(counts.items()) if count > 1]
    return all_hold(problems, subject="keys", facts={"num_rows": counts.total()})


def ranked_rows_are_believable(subject: Subject) -> Outcome:
    """A ranked row is complete and valid, and its score lies within its interval."""
    problems = []
    ranked = [row for row in read_leaderboard(subject.snapshot) if row["rank"] is not None]
    for row in ranked:
        score = row["primary_score"]
        if row["status"] != VALID or row["coverage"] != 1 or score is None:
            problems.append(f"{row['run_id']} is ranked, {row['status']}, coverage {row['coverage']}")
        elif row["ci95_low"] is not None and not row["ci95_low"] <= score <= row["ci95_high"]:
            problems.append(f"{row['run_id']} scores {score} outside its interval")
    return all_hold(problems, subject="ranked rows", facts={"num_ranked": len(ranked)})


def every_run_is_readable(subject: Subject) -> Outcome:
    """No evaluated run had to be left out because its files could not be read."""
    board = json.loads(subject.snapshot.file("leaderboard.json").read_bytes())
    problems = [f"{name}: {reason}" for name, reason in board["unreadable"].items()]
    return all_hold(problems, subject="runs", severity="WARN")


def _key(row: Row) -> str:
    return f"{row['run_id']} on {row['evaluation_set']} by {row['scorer']}"


CHECKS = (
    Check("leaderboard", rows_are_current),
    Check("leaderboard", each_key_has_one_row),
    Check("leaderboard", ranked_rows_are_believable),
    Check("leaderboard", every_run_is_readable, blocking=False),
)
