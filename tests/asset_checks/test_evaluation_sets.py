from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from asset_checks import evaluation_sets
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.evaluation_set import EVALUATION_ITEMS_SCHEMA
from tunix_ml.datasets.evaluation_catalog import load_evaluation_recipe
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.datasets.read import Dataset
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Row = dict[str, Any]
Edit = Callable[..., Callable[[Path], None]]
Tamper = Callable[..., Subject]
NAME = "eval-v1"


@pytest.fixture
def slot(store: Store) -> Slot:
    """The shipped set eval-v1, published."""
    publish_evaluation_set(store, load_evaluation_recipe(NAME, store.home))
    return store.slot("evaluation_set", NAME)


@pytest.fixture
def plant(slot: Slot, tampered: Tamper) -> Callable[..., Subject]:
    """A function that publishes the set with changed items, in both files alike."""

    def changed(change: Callable[[list[Row]], object]) -> Subject:
        def edit(folder: Path) -> None:
            rows = pq.read_table(folder / "items.parquet").to_pylist()
            change(rows)
            pq.write_table(EVALUATION_ITEMS_SCHEMA.table(rows), folder / "items.parquet")
            lines = [row | {"choices": msgspec.json.decode(row["choices"])} for row in rows]
            (folder / "items.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(lines))

        return tampered(slot, edit, keep_digest=True)

    return changed


def change_first(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update(changes)


@pytest.mark.parametrize("name", ["eval-v1", "eval-v2"])
@pytest.mark.parametrize("check", evaluation_sets.CHECKS, ids=lambda check: check.name)
def test_the_shipped_sets_pass_every_check(
    store: Store, golden: Snapshot, subject_of: Callable[..., Subject], check: Check, name: str
) -> None:
    publish_evaluation_set(store, load_evaluation_recipe(name, store.home))

    outcome = check.function(subject_of(store.slot("evaluation_set", name)))

    assert outcome.passed, outcome.description


# items_keep_their_contract


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_first(answer_type="numbr"), "answer_type breaks"),
        (change_first(final_answer="many"), "final_answer is 'many', expected a number"),
        (change_first(section=" "), "section is ' ', expected a text"),
        (change_first(choices='{"A": "a cat"}'), "choices has 1 entries, expected none"),
    ],
)
def test_an_item_outside_the_contract_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Row]], object], found: str
) -> None:
    outcome = evaluation_sets.items_keep_their_contract(plant(change))

    assert not outcome.passed
    assert found in outcome.description


def test_a_table_that_says_other_than_the_lines_is_found(
    slot: Slot, tampered: Tamper, edit_table: Edit
) -> None:
    subject = tampered(slot, edit_table("items.parquet", change_first(final_answer="66")))

    outcome = evaluation_sets.items_keep_their_contract(subject)

    assert (outcome.passed, outcome.description) == (False, "items: items.parquet and items.jsonl differ")


# item_ids_are_unique


def test_two_items_of_one_id_are_found(plant: Callable[..., Subject]) -> None:
    outcome = evaluation_sets.item_ids_are_unique(plant(change_first(item_id="eval-v1-002")))

    assert not outcome.passed
    assert "2 items have id 'eval-v1-002'" in outcome.description
    assert outcome.facts["num_items"] == 25


# answers_equal_themselves


def test_an_answer_that_no_text_could_give_is_found(plant: Callable[..., Subject]) -> None:
    outcome = evaluation_sets.answers_equal_themselves(plant(change_first(final_answer="</answer>")))

    assert not outcome.passed
    assert "item eval-v1-001: '</answer>' is not equal to itself" in outcome.description


# items_match_their_manifest


def test_a_formula_that_no_answer_can_be_compared_with_is_found(plant: Callable[..., Subject]) -> None:
    change = change_first(answer_type="expression", final_answer="(((", unit=None, choices="{}")

    outcome = evaluation_sets.answers_equal_themselves(plant(change))

    assert not outcome.passed
    assert "'(((' cannot be compared" in outcome.description


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"content_digest": "0" * 64}, f"the manifest has {'0' * 64}"),
        ({"n_items": 26}, "n_items is 25, the manifest has 26"),
        ({"sections": {"core": 24}}, "sections is {'core': 25}, the manifest has {'core': 24}"),
    ],
)
def test_a_manifest_of_other_items_is_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: Row, found: str
) -> None:
    outcome = evaluation_sets.items_match_their_manifest(
        tampered(slot, edit_json("manifest.json", **changes), keep_digest=True)
    )

    assert not outcome.passed
    assert found in outcome.description


def test_items_under_the_digest_of_others_are_found(plant: Callable[..., Subject]) -> None:
    outcome = evaluation_sets.items_match_their_manifest(plant(change_first(final_answer="66")))

    assert not outcome.passed
    assert outcome.description.startswith("content: digest of the items is ")


def test_a_damaged_file_is_found(slot: Slot, subject_of: Callable[..., Subject]) -> None:
    (slot.resolve().path / "items.jsonl").write_text("damaged")

    outcome = evaluation_sets.items_match_their_manifest(subject_of(slot))

    assert not outcome.passed
    assert "items.jsonl has sha256" in outcome.description


# items_are_no_training_examples


def test_a_question_that_is_a_training_example_is_warned_of(
    golden: Snapshot, plant: Callable[..., Subject]
) -> None:
    taught = Dataset(golden).split("train")[0].trace.prompt

    outcome = evaluation_sets.items_are_no_training_examples(plant(change_first(prompt=f" {taught} ")))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == "questions: item eval-v1-001 is a training example of golden-v2"
    assert outcome.facts["num_datasets"] == 1


def test_a_question_that_is_held_out_elsewhere_is_no_training_example(
    golden: Snapshot, plant: Callable[..., Subject]
) -> None:
    held_out = Dataset(golden).split("test")[0].trace.prompt

    assert evaluation_sets.items_are_no_training_examples(plant(change_first(prompt=held_out))).passed
