"""Facts about a comparison of two runs."""

import math

from asset_checks.outcome import Check, Facts, Outcome, Subject, all_hold
from tunix_ml.contracts.comparison import ComparedRun, RunComparison
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.aggregate import item_values
from tunix_ml.evaluation.comparison.publish import read_comparison
from tunix_ml.evaluation.report import eval_slot, read_scores
from tunix_ml.snapshot import Snapshot

_TOLERANCE = 1e-12


def both_were_asked_the_same_items(subject: Subject) -> Outcome:
    """Both runs were asked the same items and scored by the same metric, and all of those are compared."""
    comparison = read_comparison(subject.snapshot)
    problems = []
    for run in (comparison.run_a, comparison.run_b):
        report = EvalReport.read(_report_of(subject, comparison, run).file("eval.json"))
        for name, expected in _EXPECTED.items():
            found, compared = getattr(report, name), getattr(comparison, expected)
            if found != compared:
                problems.append(f"{run.run_id} has {name} {found!r:.80}, compared is {compared!r:.80}")
        if report.coverage < 1:
            problems.append(f"{run.run_id} has no score for {report.n_items - report.n_scored} items")
    return all_hold(problems, subject="items", facts={"n": comparison.result.n})


_EXPECTED = {
    "evaluation_set": "evaluation_set",
    "evaluation_set_digest": "evaluation_set_digest",
    "scorer": "scorer",
    "primary_metric": "metric",
    "n_items": "n_items",
}


def differences_follow_from_the_items(subject: Subject) -> Outcome:
    """The means, the difference, and the items won and lost are those of the reports' own items."""
    comparison = read_comparison(subject.snapshot)
    a, b = (
        item_values(read_scores(_report_of(subject, comparison, run)), comparison.metric)
        for run in (comparison.run_a, comparison.run_b)
    )
    shared = sorted(a.keys() & b.keys())
    sign = -1 if METRICS[comparison.metric].direction == "lower" else 1
    gains = [a[item] - b[item] for item in shared]
    expected = {
        "n": len(shared),
        "mean_a": math.fsum(a[item] for item in shared) / max(len(shared), 1),
        "mean_b": math.fsum(b[item] for item in shared) / max(len(shared), 1),
        "difference": math.fsum(gains) / max(len(shared), 1),
        "wins_a": sum(sign * gain > 0 for gain in gains),
        "wins_b": sum(sign * gain < 0 for gain in gains),
        "ties": gains.count(0),
        "differing": sum(gain != 0 for gain in gains),
    }
    stated = _stated(comparison)
    problems = [
        f"{name} is {stated[name]}, the items give {value}"
        for name, value in expected.items()
        if not math.isclose(stated[name], value, abs_tol=_TOLERANCE)
    ]
    problems += [
        f"item {item.item_id!r:.80} is said to have {item.score_a} and {item.score_b}"
        for item in comparison.items
        if (item.score_a, item.score_b) != (a.get(item.item_id), b.get(item.item_id))
    ]
    facts: Facts = {"difference": comparison.result.difference, "n": comparison.result.n}
    return all_hold(problems, subject="comparison", facts=facts)


def _stated(comparison: RunComparison) -> dict[str, float]:
    return {
        "n": comparison.result.n,
        "mean_a": comparison.run_a.mean,
        "mean_b": comparison.run_b.mean,
        "difference": comparison.result.difference,
        "wins_a": comparison.wins_a,
        "wins_b": comparison.wins_b,
        "ties": comparison.ties,
        "differing": len(comparison.items),
    }


def _report_of(subject: Subject, comparison: RunComparison, run: ComparedRun) -> Snapshot:
    slot = eval_slot(subject.store.run(run.run_id), comparison.evaluation_set, comparison.scorer)
    return slot.resolve(run.eval_digest)


CHECKS = (
    Check("run_comparison", both_were_asked_the_same_items),
    Check("run_comparison", differences_follow_from_the_items),
)
