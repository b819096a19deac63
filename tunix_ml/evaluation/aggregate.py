"""From the scores of samples to means over items."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.evaluation import GROUPS, UNSCORED, Group, ItemScore, MetricEstimate
from tunix_ml.contracts.metrics import METRICS, SAMPLE_METRICS
from tunix_ml.evaluation.answers.latex import plain
from tunix_ml.evaluation.statistics.estimates import estimate_mean
from tunix_ml.evaluation.statistics.samples import majority_at_k, pass_at_k
from tunix_ml.traces.answers import normalise_text, parse_number

Values = Mapping[str, float]
_RIGHT = "\0"  # no answer is written so


@dataclass(frozen=True)
class ScoredItem:
    """One item with its samples, in their order."""

    samples: tuple[ItemScore, ...]

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self.samples[0].item_id

    @property
    def cluster(self) -> str:
        """The cluster the item was drawn in, its own where none is declared."""
        return self.samples[0].cluster or self.item_id

    @property
    def is_complete(self) -> bool:
        """Say whether every sample has a score."""
        return all(sample.status not in UNSCORED for sample in self.samples)

    def value(self, metric: str) -> float | None:
        """Return the mean of a metric over the samples it applies to, None if it applies to none."""
        values = [value for sample in self.samples if (value := sample.scores.get(metric)) is not None]
        return math.fsum(values) / len(values) if values else None


def by_item(scores: Iterable[ItemScore]) -> list[ScoredItem]:
    """Return the items of scores that stand in the order of items."""
    groups = itertools.groupby(scores, key=lambda score: score.item_id)
    return [ScoredItem(tuple(samples)) for _, samples in groups]


def item_values(scores: Iterable[ItemScore], metric: str) -> dict[str, float]:
    """Return a metric's value of each complete item it applies to, by item id."""
    return values_of(by_item(scores), metric)


def values_of(items: Iterable[ScoredItem], metric: str) -> dict[str, float]:
    """Return a metric's value of each complete item it applies to, by item id."""
    found = ((item.item_id, item.value(metric)) for item in items if item.is_complete)
    return {item_id: value for item_id, value in found if value is not None}


class Estimates(NamedTuple):
    """All means that a report states, as its fields of these names."""

    metrics: dict[str, MetricEstimate]
    pass_at_k: dict[int, MetricEstimate]
    groups: dict[Group, dict[str, MetricEstimate]]


def over_items(items: Sequence[ScoredItem], primary_metric: str) -> Estimates:
    """Return the means over items: of every metric, and of the primary one by k samples and by part."""
    return Estimates(estimates(items), pass_at(items, primary_metric), group_estimates(items, primary_metric))


def estimates(items: Sequence[ScoredItem]) -> dict[str, MetricEstimate]:
    """Return the mean of every metric that applies to an item, over the complete items."""
    complete = [item for item in items if item.is_complete]
    columns: dict[str, Values] = {metric.name: values_of(complete, metric.name) for metric in SAMPLE_METRICS}
    columns["maj_at_k"] = _majorities(complete)
    clusters = {item.item_id: item.cluster for item in complete}
    return {name: _estimate(name, values, clusters) for name, values in columns.items() if values}


def group_estimates(items: Sequence[ScoredItem], metric: str) -> dict[Group, dict[str, MetricEstimate]]:
    """Return a metric's mean for each section, category and difficulty; a set of one part has none."""
    return {group: found for group in GROUPS if len(found := _parts(items, group, metric)) > 1}


def pass_at(items: Sequence[ScoredItem], metric: str) -> dict[int, MetricEstimate]:
    """Return the probability that one of k samples is right, for k = 1, 2, 4 … up to all of them."""
    complete = [item for item in items if item.is_complete]
    num_samples = max((len(item.samples) for item in complete), default=1)
    sizes = sorted({*(1 << power for power in range(num_samples.bit_length())), num_samples})
    return {k: _pass_at(complete, metric, k) for k in sizes if k <= num_samples} if num_samples > 1 else {}


def _pass_at(items: Sequence[ScoredItem], metric: str, k: int) -> MetricEstimate:
    values = {item.item_id: pass_at_k(len(item.samples), _num_right(item, metric), k) for item in items}
    return _estimate("pass_at_k", values, {item.item_id: item.cluster for item in items})


def _num_right(item: ScoredItem, metric: str) -> int:
    return sum(sample.scores.get(metric) == 1 for sample in item.samples)


def _majorities(items: Sequence[ScoredItem]) -> dict[str, float]:
    """Return whether the most frequent answer is right, of the items that have several samples."""
    return {
        item.item_id: majority_at_k(
            [_vote(sample) for sample in item.samples],
            [sample.scores.get("answer_correctness") == 1 for sample in item.samples],
        )
        for item in items
        if len(item.samples) > 1
    }


def _vote(sample: ItemScore) -> str | None:
    """Return what a sample votes for: all right answers are one, as are all spellings of a wrong one."""
    if sample.scores.get("answer_correctness") == 1:
        return _RIGHT
    answer = sample.extracted
    if answer is None:
        return None
    number = parse_number(answer)
    return normalise_text(plain(answer)) if number is None else f"{number[0]}{number[1]}"


def _parts(items: Sequence[ScoredItem], group: Group, metric: str) -> dict[str, MetricEstimate]:
    parts: dict[str, list[ScoredItem]] = defaultdict(list)
    for item in items:
        parts[getattr(item.samples[0], group)].append(item)
    values = {name: values_of(part, metric) for name, part in sorted(parts.items())}
    clusters = {item.item_id: item.cluster for item in items}
    return {name: _estimate(metric, found, clusters) for name, found in values.items() if found}


def _estimate(metric: str, values: Values, clusters: Mapping[str, str]) -> MetricEstimate:
    labels = [clusters[item_id] for item_id in values]
    return estimate_mean(list(values.values()), clusters=labels, is_share=METRICS[metric].is_share)
