"""Regression gate: whether a run has become worse than another, or whether the items cannot tell."""

import math
import operator
from collections.abc import Mapping
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.gate import GateReport, Verdict
from tunix_ml.contracts.metrics import Metric
from tunix_ml.evaluation.statistics.alignment import NotPaired, Scores, align, cluster_labels
from tunix_ml.evaluation.statistics.paired_interval import PairedBounds, paired_bounds
from tunix_ml.evaluation.statistics.power import items_needed

# Chance that the items said to be needed would decide.
_POWER = 0.8


class GateSide(NamedTuple):
    """A run as the gate sees it.

    `inputs` holds the digests that must be equal on both sides, by name: evaluation set and scorer, and
    judge, template or dataset where the question is asked with those held fixed.
    """

    run: str
    metric: Metric
    scores: Scores
    inputs: Mapping[str, str]


def regression_gate(
    candidate: GateSide, baseline: GateSide, *, delta: float, clusters: Mapping[str, str] | None = None
) -> GateReport:
    """Judge a candidate against a baseline on identical items, with positive differences the better ones.

    FAIL: the two-sided 95 % interval of the difference is below 0, however small the loss. PASS: else, the
    one-sided 95 % lower bound is above -delta. INCONCLUSIVE: neither, with the number of items on which a
    difference and a spread as observed would give one of the two in 80 % of the cases. NOT_COMPARABLE: the
    inputs, the metric or the items differ, or no direction of the metric is better.

    Raises:
        ContractError: delta is not above 0, a score is not finite, or an item has no cluster.
    """
    if not (math.isfinite(delta) and delta > 0):
        raise ContractError(f"delta is {delta}, expected a finite loss above 0")
    reason = _reason_not_to_compare(candidate, baseline)
    if reason is not None:
        return _not_comparable(candidate, baseline, delta, reason)
    named = {f"baseline {baseline.run}": baseline.scores, f"candidate {candidate.run}": candidate.scores}
    try:
        items, columns = align(named)
    except NotPaired as error:
        return _not_comparable(candidate, baseline, delta, str(error))
    theirs, mine = columns.values()
    better, worse = (mine, theirs) if candidate.metric.direction == "higher" else (theirs, mine)
    labels = cluster_labels(items, clusters)
    bounds = paired_bounds(better, worse, is_share=candidate.metric.is_share, clusters=labels)
    difference = math.fsum(map(operator.sub, better, worse)) / len(items)
    return _judged(candidate, baseline, delta, difference, bounds, len(items))


def decide(bounds: PairedBounds, *, delta: float) -> Verdict:
    """Return the verdict on a difference with these bounds, where positive is better."""
    if bounds.high < 0:
        return "FAIL"
    return "PASS" if bounds.lower_bound > -delta else "INCONCLUSIVE"


def _reason_not_to_compare(candidate: GateSide, baseline: GateSide) -> str | None:
    if candidate.metric != baseline.metric:
        return f"the candidate was scored by {candidate.metric.name}, the baseline by {baseline.metric.name}"
    if candidate.metric.direction == "neither":
        return f"neither more nor less of {candidate.metric.name} is better"
    names = sorted(candidate.inputs.keys() | baseline.inputs.keys())
    different = [name for name in names if candidate.inputs.get(name) != baseline.inputs.get(name)]
    if different:
        return "; ".join(
            f"{name} is {_short(candidate.inputs, name)} for the candidate and"
            f" {_short(baseline.inputs, name)} for the baseline"
            for name in different
        )
    return None


def _short(inputs: Mapping[str, str], name: str) -> str:
    return inputs[name][:16] if name in inputs else "not known"


def _not_comparable(candidate: GateSide, baseline: GateSide, delta: float, reason: str) -> GateReport:
    return GateReport(
        verdict="NOT_COMPARABLE",
        metric=candidate.metric.name,
        baseline=baseline.run,
        candidate=candidate.run,
        difference=None,
        ci95_low=None,
        ci95_high=None,
        lower_bound=None,
        delta=delta,
        n=0,
        n_needed=None,
        reason=f"not comparable: {reason}",
    )


def _judged(
    candidate: GateSide, baseline: GateSide, delta: float, difference: float, bounds: PairedBounds, n: int
) -> GateReport:
    verdict = decide(bounds, delta=delta)
    return GateReport(
        verdict=verdict,
        metric=candidate.metric.name,
        baseline=baseline.run,
        candidate=candidate.run,
        difference=difference,
        ci95_low=bounds.low,
        ci95_high=bounds.high,
        lower_bound=bounds.lower_bound,
        delta=delta,
        n=n,
        n_needed=_n_needed(difference, bounds.sd, delta, n) if verdict == "INCONCLUSIVE" else None,
        reason=_reason(verdict, difference, bounds, delta, n),
    )


def _n_needed(difference: float, sd: float, delta: float, n: int) -> int:
    """Return the fewest items on which the observed difference would FAIL or PASS; more than there are."""
    options = []
    if difference < 0:
        options.append(items_needed(effect=difference, sd=sd, alpha=0.05, power=_POWER))
    if difference > -delta:
        options.append(items_needed(effect=difference + delta, sd=sd, alpha=0.1, power=_POWER))
    return max(n + 1, min(options))


def _reason(verdict: Verdict, difference: float, bounds: PairedBounds, delta: float, n: int) -> str:
    interval = f"{difference:+.4f} over {n} items, 95 % interval {bounds.low:+.4f} to {bounds.high:+.4f}"
    if verdict == "FAIL":
        return f"worse: {interval} is below 0"
    bound = f"one-sided 95 % lower bound {bounds.lower_bound:+.4f}"
    if verdict == "PASS":
        return f"not worse by {delta:g}: {interval}, {bound}"
    return f"too few items to tell a loss of {delta:g} from none: {interval}, {bound}"
