"""Facts about an evaluation report."""

import math
from collections import Counter
from typing import TYPE_CHECKING

from asset_checks import expectations
from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, EvalReport
from tunix_ml.evaluation.report import METRICS, eval_slot, read_eval
from tunix_ml.evaluation.statistics import paired_difference
from tunix_ml.parquet import read_table
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.store import Slot, Snapshot

if TYPE_CHECKING:
    import pyarrow as pa

SHUFFLED_TOLERANCE = 0.05


def scores_keep_their_contract(subject: Subject) -> Outcome:
    """The table of item scores has its declared columns, no null where none may be, and each item once.

    The scores are shares of the samples that each item has.
    """
    num_samples = _report(subject).num_samples
    shares = [count / num_samples for count in range(num_samples + 1)]
    suite = [expectations.unique("item_id"), *(expectations.one_of(name, shares) for name in METRICS)]
    return expectations.validate_table(
        _items(subject.snapshot), ITEM_SCORES_SCHEMA, suite, subject="item scores"
    )


def scorer_self_test_passes(subject: Subject) -> Outcome:
    """The true completions of these items score 1, and completions swapped between them score as chance."""
    test = _report(subject).self_test
    problems = []
    if test.gold_mean != 1:
        problems.append(f"true completions score {test.gold_mean:.4f}, not 1")
    if abs(test.shuffled_mean - test.expected_shuffled_mean) > SHUFFLED_TOLERANCE:
        problems.append(
            f"swapped completions score {test.shuffled_mean:.4f}, {test.expected_shuffled_mean:.4f} are equal"
        )
    return all_hold(problems, subject="scorer", facts=test.model_dump())


def every_item_is_scored(subject: Subject) -> Outcome:
    """Every item has a prediction and a score, none is missing from the denominator."""
    report = _report(subject)
    num_rows = _items(subject.snapshot).num_rows
    problems = []
    if report.n_scored != report.n_items:
        problems.append(f"{report.n_items - report.n_scored} of {report.n_items} items have no prediction")
    if num_rows != report.n_items:
        problems.append(f"the table has {num_rows} items, the report says {report.n_items}")
    return all_hold(problems, subject="items", facts={"n_items": report.n_items, "n_scored": report.n_scored})


def means_follow_from_the_items(subject: Subject) -> Outcome:
    """Each metric is the mean of the item scores beside it, and the statuses are counted right."""
    report = _report(subject)
    rows = _items(subject.snapshot).to_pylist()
    problems = []
    for name, metric in report.metrics.items():
        values = [row[name] for row in rows if row[name] is not None]
        mean = math.fsum(values) / max(len(values), 1)
        if not math.isclose(mean, metric.mean, abs_tol=1e-12) or len(values) != metric.n:
            problems.append(
                f"{name} is {metric.mean} over {metric.n}, the items give {mean} over {len(values)}"
            )
    if Counter(row["status"] for row in rows) != Counter(report.status_counts):
        problems.append(f"statuses are {report.status_counts}, the items differ")
    if report.primary_score is not None and report.primary_score != report.metrics[report.scorer].mean:
        problems.append(f"primary score {report.primary_score} is not the mean of {report.scorer}")
    facts = {name: metric.mean for name, metric in report.metrics.items()}
    return all_hold(problems, subject="report", facts=dict(facts))


def score_has_not_regressed(subject: Subject) -> Outcome:
    """The score is not credibly below the best valid run's on the same items, by a paired 95 % interval."""
    report = _report(subject)
    if report.coverage < 1:
        missing = report.n_items - report.n_scored
        return Outcome(False, f"{missing} of {report.n_items} items have no score to compare", {}, "WARN")
    best = _best_other(subject, report)
    if best is None:
        return Outcome(
            True, "no other valid run on these items to compare with", {"n": report.n_items}, "WARN"
        )
    mine, theirs = _correct(subject.snapshot), _correct(best.resolve())
    difference = paired_difference(
        [mine[item] for item in sorted(mine)], [theirs[item] for item in sorted(mine)]
    )
    facts: Facts = {
        "baseline": best.key,
        "difference": difference.mean,
        "ci95_low": difference.low,
        "ci95_high": difference.high,
        "n": len(mine),
    }
    sentence = (
        f"{difference.mean:+.3f} against {best.key}, 95 % interval"
        f" {difference.low:+.3f} to {difference.high:+.3f} over {len(mine)} items"
    )
    return Outcome(difference.high >= 0, sentence, facts, "WARN")


def _best_other(subject: Subject, report: EvalReport) -> Slot | None:
    rows = [
        row
        for row in collect_leaderboard(subject.store, required_checks=BLOCKING).rows
        if row["rank"] is not None
        and row["run_id"] != report.run_id
        and row["evaluation_set_digest"] == report.evaluation_set_digest
        and row["scorer_digest"] == report.scorer_digest
    ]
    if not rows:
        return None
    best = min(rows, key=lambda row: (row["rank"], row["run_id"]))
    return eval_slot(subject.store.run(best["run_id"]), best["evaluation_set"])


def _correct(snapshot: Snapshot) -> dict[str, float]:
    return {row["item_id"]: row["answer_correctness"] for row in _items(snapshot).to_pylist()}


def _items(snapshot: Snapshot) -> "pa.Table":
    return read_table(snapshot.file("item_scores.parquet"))


def _report(subject: Subject) -> EvalReport:
    return read_eval(subject.slot, digest=subject.snapshot.digest)


CHECKS = (
    Check("eval_report", scores_keep_their_contract),
    Check("eval_report", scorer_self_test_passes),
    Check("eval_report", every_item_is_scored),
    Check("eval_report", means_follow_from_the_items),
    Check("eval_report", score_has_not_regressed, blocking=False),
)
BLOCKING = tuple(check.name for check in CHECKS if check.blocking)
