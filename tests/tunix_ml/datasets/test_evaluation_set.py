from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_catalog import UnknownEvaluationSet, load_evaluation_recipe
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.datasets.evaluation_set import (
    EmptyEvaluationSet,
    EvaluationSet,
    full_names,
    is_ranking,
    load_asked_sets,
    load_evaluation_set,
    published_evaluation_sets,
    read_published_items,
    source_slot,
)
from tunix_ml.datasets.read import read_dataset
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store


@pytest.fixture
def items(store: Store, golden: Snapshot) -> EvaluationSet:
    return load_evaluation_set(store, "golden-v2.test")


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
    turned = EvaluationSet(items.name, items.source_digest, items.items[::-1])

    assert turned.digest == items.digest
    assert items.first(3).digest != items.digest == items.first(None).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"item_id": "0"},
        {"prompt": "Another?"},
        {"final_answer": "0"},
        {"answer_type": "list"},
        {"unit": "km"},
        {"choices": {"A": "0"}},
    ],
)
def test_the_digest_depends_on_what_is_asked_and_expected(
    items: EvaluationSet, changes: dict[str, Any]
) -> None:
    first, *others = items.items
    changed = (msgspec.structs.replace(first, **changes), *others)

    assert EvaluationSet(items.name, items.source_digest, changed).digest != items.digest


def test_the_digest_does_not_depend_on_how_scores_are_told_apart(items: EvaluationSet) -> None:
    first, *others = items.items
    moved = msgspec.structs.replace(first, section="other", difficulty="hard", steps=())

    assert EvaluationSet(items.name, items.source_digest, (moved, *others)).digest == items.digest


def test_the_first_items_are_the_first_by_id(items: EvaluationSet) -> None:
    assert items.first(3).items == items.items[:3]
    assert items.first(10_000) == items


def test_a_dataset_without_a_test_split_cannot_be_asked(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    trace = {"trace_version": "1.0", "prompt": "Why?", "final_answer": "so", "steps": [step()]}
    build_dataset(store, write_entry([trace], splits={"train": 1.0}), report=print)

    with pytest.raises(EmptyEvaluationSet, match="test split of 'mine-v1' has no trace: give it a share"):
        load_evaluation_set(store, "mine-v1.test")


def test_a_dataset_that_was_not_built_cannot_be_asked(store: Store) -> None:
    with pytest.raises(NotPublished):
        load_evaluation_set(store, "golden-v2.test")


def step() -> dict[str, object]:
    return {"i": 0, "type": "reasoning", "content": "because"}


def test_another_split_can_be_read_too(store: Store, golden: Snapshot) -> None:
    held_out = read_dataset(store, "golden-v2").split("validation")

    found = load_evaluation_set(store, "golden-v2.validation")

    assert [item.item_id for item in found.items] == sorted(row.trace_id for row in held_out)
    assert found.source_digest == golden.digest


def test_the_items_come_from_a_dataset_version_or_from_the_set_itself(store: Store) -> None:
    assert source_slot(store, "golden-v2.test") == store.slot("dataset", "golden-v2")
    assert source_slot(store, "eval-v1") == store.slot("evaluation_set", "eval-v1")
    assert source_slot(store, "eval.test") == store.slot("evaluation_set", "eval.test")


# Sets of the catalog


def write_set(home: Path, name: str, answers: Iterable[str]) -> None:
    folder = home / "recipes" / "evaluation"
    folder.mkdir(parents=True, exist_ok=True)
    recipe = f"{{description: Questions., license: CC0-1.0, path: {name}.jsonl}}"
    (folder / f"{name}.yaml").write_text(recipe)
    items = [{"item_id": f"{i}", "prompt": f"{i}?", "final_answer": a} for i, a in enumerate(answers)]
    (folder / f"{name}.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(items))


@pytest.fixture
def mine(store: Store) -> Snapshot:
    """The set `mine-v1` of three items, published."""
    write_set(store.home, "mine-v1", "abc")
    return publish_evaluation_set(store, load_evaluation_recipe("mine-v1", store.home))


def test_a_published_set_is_read_under_its_name(store: Store, mine: Snapshot) -> None:
    found = load_evaluation_set(store, "mine-v1")

    assert (found.name, found.source_digest) == ("mine-v1", mine.digest)
    assert [item.final_answer for item in found.items] == ["a", "b", "c"]
    assert load_evaluation_set(store, "mine-v1", digest=mine.digest) == found
    assert list(published_evaluation_sets(store)) == ["mine-v1"]


def test_a_set_with_other_content_than_asked_for_is_not_published(store: Store, mine: Snapshot) -> None:
    with pytest.raises(NotPublished, match=f"evaluation_set of 'mine-v1' has no content {'0' * 64}"):
        load_evaluation_set(store, "mine-v1", digest="0" * 64)


def test_published_lines_that_are_no_items_are_refused(
    store: Store, mine: Snapshot, tampered: Callable[..., Any]
) -> None:
    def cut(folder: Path) -> None:
        (folder / "items.jsonl").write_text('{"item_id": "0"}\n')

    subject = tampered(store.slot("evaluation_set", "mine-v1"), cut)

    with pytest.raises(ContractError, match=r"items\.jsonl of 'mine-v1' breaks its contract: .*`prompt`"):
        read_published_items(subject.snapshot)


# What a run asks for


def asked(store: Store, golden: Snapshot, *names: str) -> list[EvaluationSet]:
    return load_asked_sets(store, names, dataset_version="golden-v2", dataset_digest=golden.digest)


def test_a_run_is_asked_its_own_test_split_and_sets_of_the_catalog(
    store: Store, golden: Snapshot, mine: Snapshot
) -> None:
    found = asked(store, golden, "test", "mine-v1")

    assert [one.name for one in found] == ["golden-v2.test", "mine-v1"]
    assert [one.source_digest for one in found] == [golden.digest, mine.digest]


def test_a_run_can_be_asked_the_split_it_was_chosen_by(store: Store, golden: Snapshot) -> None:
    (found,) = asked(store, golden, "validation")

    assert found.name == "golden-v2.validation"
    assert found.source_digest == golden.digest


@pytest.mark.parametrize(
    ("name", "ranks"),
    [("golden-v2.test", True), ("eval-v1", True), ("my.validation", True), ("golden-v2.validation", False)],
)
def test_scores_on_the_split_that_runs_were_chosen_by_do_not_rank(name: str, ranks: bool) -> None:
    assert is_ranking(name) is ranks


def test_a_set_named_twice_is_asked_once() -> None:
    assert full_names(["test", "eval-v1", "golden-v2.test", "eval-v1"], "golden-v2") == [
        "golden-v2.test",
        "eval-v1",
    ]


def test_an_unknown_set_is_refused_naming_those_there_are(
    store: Store, golden: Snapshot, mine: Snapshot
) -> None:
    with pytest.raises(
        UnknownEvaluationSet, match=r"no evaluation set 'eval-v9', there are: test, .*mine-v1"
    ):
        asked(store, golden, "eval-v9")


def test_a_set_that_is_not_published_is_refused_with_what_to_do(store: Store, golden: Snapshot) -> None:
    with pytest.raises(
        NotPublished, match="'eval-v1' has not been published yet: materialize evaluation_sets"
    ):
        asked(store, golden, "test", "eval-v1")


def test_a_published_set_whose_recipe_is_gone_can_still_be_asked(
    store: Store, golden: Snapshot, mine: Snapshot
) -> None:
    (store.home / "recipes" / "evaluation" / "mine-v1.yaml").unlink()

    assert [one.name for one in asked(store, golden, "mine-v1")] == ["mine-v1"]
