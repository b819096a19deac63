"""Compare two runs on one evaluation set: settings, paired difference, parts, and the items each wins."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.comparison import (
    ComparedRun,
    ItemComparison,
    PairedResult,
    PartComparison,
    RunComparison,
    SettingDifference,
)
from tunix_ml.contracts.evaluation import GROUPS, EvalReport, Group, ItemScore
from tunix_ml.contracts.metrics import METRICS
from tunix_ml.evaluation.aggregate import ScoredItem, by_item
from tunix_ml.evaluation.statistics.alignment import NotPaired, Scores
from tunix_ml.evaluation.statistics.significance import paired_difference, significance


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two runs: its report, the digest of that, the scores behind it, and the run's settings."""

    report: EvalReport
    eval_digest: str
    scores: Sequence[ItemScore]
    settings: Mapping[str, Any]


def compare_runs(a: Side, b: Side, *, known: PairedResult | None = None) -> RunComparison:
    """Return how run a did against run b, over the items that both have a score for.

    Args:
        a: one run.
        b: the other.
        known: result of the pair where it was computed before, from the same reports.

    Raises:
        NotPaired: the two were not asked the same items, or not scored alike, or share no scored item.
        ContractError: of their metric nobody has declared which way is better.
    """
    _refuse_other_boards(a.report, b.report)
    metric = a.report.primary_metric
    if metric not in METRICS or METRICS[metric].direction == "neither":
        raise ContractError(
            f"metric {metric!r:.100} has no direction, expected one of which more is better or less"
        )
    items_a, items_b = _complete(a, metric), _complete(b, metric)
    values_a, values_b = _shared_values(a, b, items_a, items_b)
    sign = -1 if METRICS[metric].direction == "lower" else 1
    wins = [sign * (values_a[item] - values_b[item]) for item in values_a]
    settings, num_same = compare_settings(a.settings, b.settings)
    return RunComparison(
        evaluation_set=a.report.evaluation_set,
        evaluation_set_digest=a.report.evaluation_set_digest,
        scorer=a.report.scorer,
        metric=metric,
        n_items=a.report.n_items,
        run_a=_compared(a, values_a, num_scored=len(items_a)),
        run_b=_compared(b, values_b, num_scored=len(items_b)),
        result=known or _paired_result(values_a, values_b, clusters=_clusters(items_a, values_a)),
        wins_a=sum(win > 0 for win in wins),
        wins_b=sum(win < 0 for win in wins),
        ties=sum(win == 0 for win in wins),
        settings=settings,
        num_same_settings=num_same,
        parts=tuple(_parts(items_a, values_a, values_b)),
        items=tuple(_differing_items(items_a, items_b, values_a, values_b)),
    )


def compare_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[tuple[SettingDifference, ...], int]:
    """Return the settings that differ, by name, and the number of those that do not.

    Settings within settings are compared one by one, under dotted names.
    """
    flat_a, flat_b = dict(_flat(a)), dict(_flat(b))
    names = sorted(flat_a.keys() | flat_b.keys())
    differing = tuple(
        SettingDifference(name=name, a=flat_a.get(name), b=flat_b.get(name))
        for name in names
        if flat_a.get(name) != flat_b.get(name)
    )
    return differing, len(names) - len(differing)


def _refuse_other_boards(a: EvalReport, b: EvalReport) -> None:
    for name in ("evaluation_set", "evaluation_set_digest", "scorer", "primary_metric"):
        mine, theirs = getattr(a, name), getattr(b, name)
        if mine != theirs:
            raise NotPaired(
                f"{a.run_id} has {name} {mine!r:.100}, {b.run_id} has {theirs!r:.100}: only runs that were"
                " asked the same items and scored alike can be compared"
            )


def _complete(side: Side, metric: str) -> dict[str, ScoredItem]:
    items = by_item(side.scores)
    return {item.item_id: item for item in items if item.is_complete and item.value(metric) is not None}


def _shared_values(
    a: Side, b: Side, items_a: Mapping[str, ScoredItem], items_b: Mapping[str, ScoredItem]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the values of both runs, of the items that both have one for, in one order."""
    metric, shared = a.report.primary_metric, sorted(items_a.keys() & items_b.keys())
    if not shared:
        raise NotPaired(f"{a.report.run_id} and {b.report.run_id} share no item that both have a score for")
    return _values(items_a, shared, metric), _values(items_b, shared, metric)


def _values(items: Mapping[str, ScoredItem], shared: Iterable[str], metric: str) -> dict[str, float]:
    found = {item: items[item].value(metric) for item in shared}
    return {item: value for item, value in found.items() if value is not None}


def _clusters(items: Mapping[str, ScoredItem], shared: Iterable[str]) -> dict[str, str]:
    return {item: items[item].cluster for item in shared}


def _compared(side: Side, values: Scores, *, num_scored: int) -> ComparedRun:
    return ComparedRun(
        run_id=side.report.run_id, eval_digest=side.eval_digest, mean=_mean(values), n_scored=num_scored
    )


def _paired_result(a: Scores, b: Scores, *, clusters: Mapping[str, str]) -> PairedResult:
    difference = paired_difference(a, b, clusters=clusters)
    found = significance(a, b, clusters=clusters)
    return PairedResult(
        n=difference.n,
        difference=difference.mean,
        ci95_low=difference.low,
        ci95_high=difference.high,
        test=found.test,
        p_value=found.p_value,
    )


def _parts(items: Mapping[str, ScoredItem], a: Scores, b: Scores) -> Iterator[PartComparison]:
    """Yield the parts of each group that has several."""
    for group in GROUPS:
        members: dict[str, list[str]] = defaultdict(list)
        for item in a:
            members[getattr(items[item].samples[0], group)].append(item)
        if len(members) > 1:
            for name in sorted(members):
                yield _part(group, name, members[name], items, a, b)


def _part(
    group: Group, name: str, members: Sequence[str], items: Mapping[str, ScoredItem], a: Scores, b: Scores
) -> PartComparison:
    mine, theirs = ({item: values[item] for item in members} for values in (a, b))
    difference = paired_difference(mine, theirs, clusters=_clusters(items, members))
    return PartComparison(
        group=group,
        name=name,
        n=difference.n,
        mean_a=_mean(mine),
        mean_b=_mean(theirs),
        difference=difference.mean,
        ci95_low=difference.low,
        ci95_high=difference.high,
    )


def _differing_items(
    items_a: Mapping[str, ScoredItem], items_b: Mapping[str, ScoredItem], a: Scores, b: Scores
) -> Iterator[ItemComparison]:
    differing = [item for item in a if a[item] != b[item]]
    for item in sorted(differing, key=lambda item: (-abs(a[item] - b[item]), item)):
        first_a, first_b = items_a[item].samples[0], items_b[item].samples[0]
        yield ItemComparison(
            item_id=item,
            score_a=a[item],
            score_b=b[item],
            expected=first_a.expected,
            extracted_a=first_a.extracted,
            extracted_b=first_b.extracted,
        )


def _mean(values: Scores) -> float:
    return math.fsum(values.values()) / len(values)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
            yield f"{prefix}{name}", text
