from collections.abc import Callable

import msgspec
import pytest

from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_set import EmptyEvaluationSet, EvaluationSet, load_evaluation_set
from tunix_ml.datasets.read import read_dataset
from tunix_ml.store import NotPublished, Snapshot, Store


@pytest.fixture
def items(store: Store, golden: Snapshot) -> EvaluationSet:
    return load_evaluation_set(store, "golden-v2")


def test_the_items_are_the_held_out_traces_by_id(store: Store, items: EvaluationSet) -> None:
    held_out = read_dataset(store, "golden-v2").split("test")

    assert [item.item_id for item in items.items] == sorted(row.trace_id for row in held_out)
    assert items.name == "golden-v2.test"


def test_an_item_is_its_trace(store: Store, items: EvaluationSet) -> None:
    rows = {row.trace_id: row.trace for row in read_dataset(store, "golden-v2").rows}
    item = items.items[0]
    trace = rows[item.item_id]

    assert (item.prompt, item.final_answer) == (trace.prompt, trace.final_answer)
    assert item.steps == tuple(step.content for step in trace.steps)
    assert item.category == (trace.meta or {})["family"]


def test_no_item_was_trained_on(store: Store, items: EvaluationSet) -> None:
    dataset = read_dataset(store, "golden-v2")
    trained_on = {row.trace.prompt for split in ("train", "validation") for row in dataset.split(split)}

    assert not trained_on & {item.prompt for item in items.items}


def test_the_digest_is_of_the_items_and_not_of_their_order(items: EvaluationSet) -> None:
    turned = EvaluationSet(items.name, items.dataset_digest, items.items[::-1])

    assert turned.digest == items.digest
    assert items.first(3).digest != items.digest == items.first(None).digest


@pytest.mark.parametrize("changes", [{"item_id": "0"}, {"prompt": "Another?"}, {"final_answer": "0"}])
def test_the_digest_depends_on_what_is_asked_and_expected(
    items: EvaluationSet, changes: dict[str, str]
) -> None:
    first, *others = items.items
    changed = (msgspec.structs.replace(first, **changes), *others)

    assert EvaluationSet(items.name, items.dataset_digest, changed).digest != items.digest


def test_the_first_items_are_the_first_by_id(items: EvaluationSet) -> None:
    assert items.first(3).items == items.items[:3]
    assert items.first(10_000) == items


def test_a_dataset_without_a_test_split_cannot_be_asked(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    trace = {"trace_version": "1.0", "prompt": "Why?", "final_answer": "so", "steps": [step()]}
    build_dataset(store, write_entry([trace], splits={"train": 1.0}), report=print)

    with pytest.raises(EmptyEvaluationSet, match="test split of 'mine-v1' has no trace: give it a share"):
        load_evaluation_set(store, "mine-v1")


def test_a_dataset_that_was_not_built_cannot_be_asked(store: Store) -> None:
    with pytest.raises(NotPublished):
        load_evaluation_set(store, "golden-v2")


def step() -> dict[str, object]:
    return {"i": 0, "type": "reasoning", "content": "because"}
