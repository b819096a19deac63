"""Evaluation sets: the held-out split of a dataset version, as items with an answer."""

from dataclasses import dataclass

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import record_digest, set_digest
from tunix_ml.contracts.evaluation_set import AnswerType, EvaluationItem
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.trace import DatasetTrace, Split
from tunix_ml.datasets.read import read_dataset
from tunix_ml.store import Store
from tunix_ml.traces.answers import parse_number


class EmptyEvaluationSet(TunixError):
    """A split has no trace to be asked."""


@dataclass(frozen=True)
class EvaluationSet:
    """Items in the order of their ids, under a name and a digest of their content."""

    name: str
    dataset_digest: str
    items: tuple[EvaluationItem, ...]

    @property
    def digest(self) -> str:
        """The digest over what is asked and how answers are compared; the order does not matter."""
        return set_digest(
            record_digest(
                [item.item_id, item.prompt, item.final_answer, item.answer_type, item.unit, item.choices]
            )
            for item in self.items
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


def answer_type_of(final_answer: str) -> AnswerType:
    """Return the type of an expected answer that declares none: a number where it reads as one."""
    return "text" if parse_number(final_answer) is None else "number"


def _item(row: DatasetTrace) -> EvaluationItem:
    trace = row.trace
    return EvaluationItem(
        item_id=row.trace_id,
        prompt=trace.prompt,
        final_answer=trace.final_answer,
        answer_type=answer_type_of(trace.final_answer),
        steps=tuple(step.content for step in trace.steps),
        category=trace.family(),
        cluster=row.trace_id,
    )
