"""Evaluation sets: the held-out split of a dataset version, as items with an answer."""

from dataclasses import dataclass

import msgspec

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import record_digest, set_digest
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.trace import DatasetTrace, Split
from tunix_ml.datasets.read import read_dataset
from tunix_ml.store import Store


class EmptyEvaluationSet(TunixError):
    """A split has no trace to be asked."""


class EvaluationItem(msgspec.Struct, frozen=True):
    """One question and its answer; the steps are the true reasoning, for self-tests."""

    item_id: str
    prompt: str
    final_answer: str
    steps: tuple[str, ...]
    family: str


@dataclass(frozen=True)
class EvaluationSet:
    """Items in the order of their ids, under a name and a digest of their content."""

    name: str
    dataset_digest: str
    items: tuple[EvaluationItem, ...]

    @property
    def digest(self) -> str:
        """The digest over ids, questions and answers; the order does not matter."""
        return set_digest(
            record_digest([item.item_id, item.prompt, item.final_answer]) for item in self.items
        )

    def first(self, max_items: int | None) -> "EvaluationSet":
        """Return the same set cut to its first items by id; None keeps all."""
        return EvaluationSet(self.name, self.dataset_digest, self.items[:max_items])


def load_evaluation_set(
    store: Store, dataset_version: str, *, dataset_digest: str | None = None, split: Split = "test"
) -> EvaluationSet:
    """Read the items of a dataset version's split.

    Raises:
        EmptyEvaluationSet: the split has no trace.
        NotPublished: the dataset version is not published with this digest.
    """
    dataset = read_dataset(store, dataset_version, digest=dataset_digest)
    items = sorted((_item(row) for row in dataset.split(split)), key=lambda item: item.item_id)
    if not items:
        raise EmptyEvaluationSet(
            f"the {split} split of {dataset_version!r} has no trace:"
            " give it a share in the recipe, or give the dataset more traces"
        )
    return EvaluationSet(evaluation_set_name(dataset_version, split), dataset.snapshot.digest, tuple(items))


def _item(row: DatasetTrace) -> EvaluationItem:
    trace = row.trace
    steps = tuple(step.content for step in trace.steps)
    return EvaluationItem(row.trace_id, trace.prompt, trace.final_answer, steps, trace.family())
