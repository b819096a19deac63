"""Alignment: the scores of several runs brought into one order of identical items."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError

# item id -> score
Scores = Mapping[str, float]


class NotPaired(ContractError):
    """Runs were scored on different items; their scores cannot be compared item by item."""


class AlignedScores(NamedTuple):
    """The items in order of their ids, and each run's scores in that order."""

    items: list[str]
    columns: dict[str, list[float]]


def align(scores_by_run: Mapping[str, Scores]) -> AlignedScores:
    """Return the scores of all runs in one order.

    Raises:
        NotPaired: a run has other items than the first, or there are none.
        ContractError: there is no run, or a score is not a finite number.
    """
    if not scores_by_run:
        raise ContractError("a comparison needs at least one run, got none")
    first = next(iter(scores_by_run))
    items = sorted(scores_by_run[first])
    if not items:
        raise NotPaired(f"{first} has no scores: a comparison needs at least one item")
    for run, scores in scores_by_run.items():
        _refuse_other_items(run, scores, first, scores_by_run[first])
        _refuse_non_finite(run, scores)
    columns = {run: [scores[item] for item in items] for run, scores in scores_by_run.items()}
    return AlignedScores(items, columns)


def cluster_labels(items: Sequence[str], clusters: Mapping[str, str] | None) -> list[str] | None:
    """Return the cluster of each item, or None where no two items share one.

    Raises:
        ContractError: an item has no cluster.
    """
    if clusters is None:
        return None
    missing = [item for item in items if item not in clusters]
    if missing:
        raise ContractError(
            f"{len(missing)} items have no cluster, among them {missing[0]!r}: expected one each"
        )
    labels = [clusters[item] for item in items]
    return labels if len(set(labels)) < len(labels) else None


def _refuse_other_items(run: str, scores: Scores, first: str, expected: Scores) -> None:
    if scores.keys() == expected.keys():
        return
    missing, surplus = sorted(expected.keys() - scores.keys()), sorted(scores.keys() - expected.keys())
    raise NotPaired(
        f"{run} was not scored on the items of {first}: {len(missing)} are missing and {len(surplus)} are not"
        f" theirs, such as {(missing or surplus)[0]!r}"
    )


def _refuse_non_finite(run: str, scores: Scores) -> None:
    for item, score in scores.items():
        if not math.isfinite(score):
            raise ContractError(f"{run} has score {score} for item {item!r}, expected a finite number")
