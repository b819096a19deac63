"""Facts about an evaluation report."""

import math
from collections import Counter
from collections.abc import Iterator

from asset_checks import expectations
from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.evaluation import ITEM_SCORES_SCHEMA, UNSCORED, EvalReport, MetricEstimate
from tunix_ml.contracts.gate import GateReport
from tunix_ml.contracts.metrics import METRICS, SAMPLE_METRICS
from tunix_ml.evaluation.aggregate import Estimates, ScoredItem, by_item, over_items
from tunix_ml.evaluation.report import read_eval, read_scores
from tunix_ml.parquet import read_table
from tunix_ml.registry.contest import contest
from tunix_ml.registry.leaderboard import collect_rows, report_of
from tunix_ml.registry.policy import is_sound

SHUFFLED_TOLERANCE = 0.05


def scores_keep_their_contract(subject: Subject) -> Outcome:
    """The table of scores has its declared columns, no null where none may be, each sample of an item once.

    Shares lie in 0..1.
    """
    table = read_table(subject.snapshot.file("item_scores.parquet"))
    suite = [
        expectations.unique_together("item_id", "sample_index"),
        *(
            expectations.Expected(
                "ExpectColumnValuesToBeBetween", {"column": metric.name, "min_value": 0, "max_value": 1}
            )
            for metric in SAMPLE_METRICS
            if metric.is_share
        ),
    ]
    return expectations.validate_table(table, ITEM_SCORES_SCHEMA, suite, subject="item scores")


def scorer_self_test_passes(subject: Subject) -> Outcome:
    """The true completions of these items score 1, and completions swapped between them score as chance.

    Verdicts that were given elsewhere cannot be tried; the leaderboard asks for the judge's calibration.
    """
    report = _report(subject)
    test = report.self_test
    if test is None:
        is_judged = report.scorer.startswith("judge:")
        said = "the verdicts were given elsewhere" if is_judged else f"{report.scorer} was not tried"
        return Outcome(is_judged, said)
    problems = []
    if test.gold_mean != 1:
        problems.append(f"true completions score {test.gold_mean:.4f}, not 1")
    if abs(test.shuffled_mean - test.expected_shuffled_mean) > SHUFFLED_TOLERANCE:
        problems.append(
            f"swapped completions score {test.shuffled_mean:.4f}, {test.expected_shuffled_mean:.4f} are equal"
        )
    return all_hold(problems, subject="scorer", facts=test.model_dump())


def every_item_is_scored(subject: Subject) -> Outcome:
    """Every sample of every item has a prediction and a score, none is missing from the denominator."""
    report = _report(subject)
    scores = read_scores(subject.snapshot)
    unscored = Counter(score.status for score in scores if score.status in UNSCORED)
    problems = [
        f"{count} of {len(scores)} samples are {status}" for status, count in sorted(unscored.items())
    ]
    if len(scores) != report.n_items * report.num_samples:
        expected = f"{report.n_items} items of {report.num_samples}"
        problems.append(f"the table has {len(scores)} samples, the report says {expected}")
    return all_hold(problems, subject="items", facts={"n_items": report.n_items, "n_scored": report.n_scored})


def means_follow_from_the_items(subject: Subject) -> Outcome:
    """Each metric, in whole, by k samples and by part, is the mean of the item scores beside it.

    The statuses are counted right.
    """
    report = _report(subject)
    scores = read_scores(subject.snapshot)
    items = by_item(scores)
    problems = list(_wrong_means(report, items))
    if Counter(score.status for score in scores) != Counter(report.status_counts):
        problems.append(f"statuses are {report.status_counts}, the items differ")
    if sum(item.is_complete for item in items) != report.n_scored:
        problems.append(f"the report has {report.n_scored} items scored, the items differ")
    primary = report.metrics.get(report.primary_metric)
    if report.primary_score is not None and (primary is None or report.primary_score != primary.mean):
        problems.append(f"primary score {report.primary_score} is not the mean of {report.primary_metric}")
    facts: Facts = {name: metric.mean for name, metric in report.metrics.items()}
    return all_hold(problems, subject="report", facts=facts)


def score_has_not_regressed(subject: Subject) -> Outcome:
    """The score is not credibly below the best valid run's of the same dataset, items and scorer.

    By a paired 95 % interval. Where the items cannot tell, it says how many would. A warning; in Dagster runs
    with the tag `tunix/gate: error` an error, which fails the run once everything in it is made.
    """
    report = _report(subject)
    if report.coverage < 1:
        missing = report.n_items - report.n_scored
        sentence = f"{missing} of {report.n_items} items have no score to compare"
        return Outcome(False, sentence, {}, subject.gate_severity)
    gate = gate_against_best(subject, report)
    if gate is None:
        sentence = "no other valid run on these items to compare with"
        return Outcome(True, sentence, {"n": report.n_items}, "WARN")
    names = ("baseline", "verdict", "difference", "ci95_low", "ci95_high", "lower_bound", "n", "n_needed")
    facts: Facts = {name: value for name in names if (value := getattr(gate, name)) is not None}
    return Outcome(
        gate.verdict != "FAIL",
        f"{gate.verdict} against {gate.baseline}: {gate.reason}",
        facts,
        subject.gate_severity,
    )


def gate_against_best(subject: Subject, report: EvalReport) -> GateReport | None:
    """Return the gate's verdict against the best other run in scope, None where there is none."""
    rows = [
        row
        for row in collect_rows(subject.store, required_checks=BLOCKING).rows
        if is_sound(row)
        and row["run_id"] != report.run_id
        and row["evaluation_set_digest"] == report.evaluation_set_digest
        and row["scorer"] == report.scorer
        and row["dataset_version"] == report.dataset_version
    ]
    if not rows:
        return None
    sign = -1 if METRICS[report.primary_metric].direction == "higher" else 1
    best = min(rows, key=lambda row: (sign * row["primary_score"], row["run_id"]))
    return contest(subject.snapshot, report_of(subject.store, best), is_same_dataset=True)


def _wrong_means(report: EvalReport, items: list[ScoredItem]) -> Iterator[str]:
    """Compare every estimate of the report with the one that the items give now."""
    stated, found = dict(_flat(report)), dict(_flat(over_items(items, report.primary_metric)))
    for name in sorted(stated.keys() | found.keys()):
        mine, theirs = stated.get(name), found.get(name)
        if (
            mine is None
            or theirs is None
            or mine.n != theirs.n
            or not math.isclose(mine.mean, theirs.mean, abs_tol=1e-12)
        ):
            yield f"{name} is {_told(mine)}, the items give {_told(theirs)}"


def _is_equal(one: MetricEstimate, other: MetricEstimate) -> bool:
    return one.n == other.n and math.isclose(one.mean, other.mean, abs_tol=1e-12)


def _flat(found: EvalReport | Estimates) -> Iterator[tuple[str, MetricEstimate]]:
    yield from found.metrics.items()
    yield from ((f"pass@{k}", estimate) for k, estimate in found.pass_at_k.items())
    for group, parts in found.groups.items():
        yield from ((f"{group} {name}", estimate) for name, estimate in parts.items())


def _told(estimate: MetricEstimate | None) -> str:
    return "missing" if estimate is None else f"{estimate.mean} over {estimate.n}"


def _report(subject: Subject) -> EvalReport:
    return read_eval(subject.slot, digest=subject.snapshot.digest)


CHECKS = (
    Check("eval_report", scores_keep_their_contract),
    Check("eval_report", scorer_self_test_passes),
    Check("eval_report", every_item_is_scored),
    Check("eval_report", means_follow_from_the_items),
    Check("eval_report", score_has_not_regressed, blocking=False, is_gate=True),
)
BLOCKING = tuple(check.name for check in CHECKS if check.blocking)
