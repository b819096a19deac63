"""Evaluation sets: the held-out split of a dataset version, or a published set of the catalog, as items."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import record_digest, set_digest
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.names import evaluation_set_name, is_dataset_version
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Split
from tunix_ml.datasets.evaluation_catalog import UnknownEvaluationSet, catalog_sets
from tunix_ml.datasets.evaluation_items import answer_type_of
from tunix_ml.datasets.read import read_dataset
from tunix_ml.json_lines import read_json_lines
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

OWN: Split = "test"
CHOSEN_BY: Split = "validation"
HELD_OUT: tuple[Split, ...] = (OWN, CHOSEN_BY)
TABLE = "evaluation_set"
ITEMS_FILE = "items.jsonl"


class EmptyEvaluationSet(TunixError):
    """A split has no trace to be asked."""


@dataclass(frozen=True)
class EvaluationSet:
    """Items in the order of their ids, under a name and a digest of their content.

    `source_digest` is the content that they were read from: a dataset version's, or a published set's.
    """

    name: str
    source_digest: str
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
        return EvaluationSet(self.name, self.source_digest, self.items[:max_items])


def load_evaluation_set(store: Store, name: str, *, digest: str | None = None) -> EvaluationSet:
    """Read the items of `<dataset version>.<split>`, or of a published set of the catalog.

    Args:
        store: where they are published.
        name: of the evaluation set.
        digest: content to read them from, the dataset version's or the set's; None: the current one.

    Raises:
        EmptyEvaluationSet: the split has no trace.
        NotPublished: the dataset version, or the set, is not published with this digest.
        ContractError: the set's items break their contract.
    """
    if held_out := _split_of(name):
        return _read_split(store, held_out, digest)
    snapshot = evaluation_set_slot(store, name).resolve(digest)
    return EvaluationSet(name, snapshot.digest, tuple(read_published_items(snapshot)))


def source_slot(store: Store, name: str) -> Slot:
    """Return where the items of an evaluation set come from: a dataset version's slot, or the set's own."""
    held_out = _split_of(name)
    return store.slot("dataset", held_out.dataset_version) if held_out else evaluation_set_slot(store, name)


def evaluation_set_slot(store: Store, name: str) -> Slot:
    """Return where an evaluation set of the catalog is published."""
    return store.slot(TABLE, name)


def published_evaluation_sets(store: Store) -> dict[str, Slot]:
    """Return the slots of the catalog's evaluation sets in which something is published, by name."""
    return {slot.key: slot for slot in store.slots() if slot.table == TABLE and slot.pointer()}


def read_published_items(snapshot: Snapshot) -> list[EvaluationItem]:
    """Return the items of a published set, verified, in their order.

    Raises:
        ContractError: a line is not an item.
    """
    subject = f"{ITEMS_FILE} of {snapshot.record.key!r}"
    return read_json_lines(snapshot.file(ITEMS_FILE), EvaluationItem, subject=subject)


def full_names(names: Iterable[str], dataset_version: str) -> list[str]:
    """Return the evaluation sets that a run asks for, each once.

    `test` and `validation` are those splits of its dataset version.
    """
    own: dict[str, str] = {split: evaluation_set_name(dataset_version, split) for split in HELD_OUT}
    return list(dict.fromkeys(own.get(name, name) for name in names))


def is_ranking(name: str) -> bool:
    """Say whether scores on an evaluation set rank runs: those on the split that chose among them do not."""
    held_out = _split_of(name)
    return held_out is None or held_out.split != CHOSEN_BY


def load_asked_sets(
    store: Store, names: Iterable[str], *, dataset_version: str, dataset_digest: str
) -> list[EvaluationSet]:
    """Read every evaluation set that a run on a dataset version asks for.

    Raises:
        UnknownEvaluationSet: there is no set of a name; the message names those there are.
        NotPublished: a set of the catalog, or the dataset version, is not published.
        EmptyEvaluationSet: the test split has no trace.
    """
    own = full_names(HELD_OUT, dataset_version)
    asked = full_names(names, dataset_version)
    known = {*catalog_sets(store.home), *published_evaluation_sets(store)}
    for name in asked:
        if name not in own and name not in known:
            there_are = ", ".join([OWN, *sorted(known)])
            raise UnknownEvaluationSet(f"no evaluation set {name!r:.140}, there are: {there_are}")
    return [
        load_evaluation_set(store, name, digest=dataset_digest) if name in own else _published(store, name)
        for name in asked
    ]


def _published(store: Store, name: str) -> EvaluationSet:
    if evaluation_set_slot(store, name).pointer() is None:
        raise NotPublished(f"evaluation set {name!r} has not been published yet: materialize evaluation_sets")
    return load_evaluation_set(store, name)


class _HeldOut(NamedTuple):
    dataset_version: str
    split: Split


def _split_of(name: str) -> _HeldOut | None:
    """Return the split that a name means, `golden-v2.test`; None for a set of the catalog."""
    dataset_version, _, end = name.rpartition(".")
    split = next((split for split in SPLITS if split == end), None)
    return _HeldOut(dataset_version, split) if split and is_dataset_version(dataset_version) else None


def _read_split(store: Store, held_out: _HeldOut, digest: str | None) -> EvaluationSet:
    dataset_version, split = held_out
    dataset = read_dataset(store, dataset_version, digest=digest)
    items = sorted((_item(row) for row in dataset.split(split)), key=lambda item: item.item_id)
    if not items:
        raise EmptyEvaluationSet(
            f"the {split} split of {dataset_version!r} has no trace:"
            " give it a share in the recipe, or give the dataset more traces"
        )
    return EvaluationSet(evaluation_set_name(dataset_version, split), dataset.snapshot.digest, tuple(items))


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
