from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks import tokenized_examples
from asset_checks.outcome import Check, Subject
from asset_checks.tokenized_examples import Tokens
from tunix_ml.contracts.tokens import Layout, TokenizeConfig
from tunix_ml.exports.tokenize import tokenize_export
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Row = dict[str, Any]
Change = Callable[[list[Row]], object]
Edit = Callable[..., Callable[[Path], None]]


@pytest.fixture
def slot(store: Store, tokenized: Snapshot) -> Slot:
    return store.slot("tokenized_examples", "golden-v2")


@pytest.fixture
def plant(slot: Slot, tampered: Callable[..., Subject], edit_table: Edit) -> Callable[..., Subject]:
    """A function that publishes the tokens with the rows of one table changed."""

    def changed(change: Change, *, name: str = "tokens.parquet") -> Subject:
        return tampered(slot, edit_table(name, change))

    return changed


@pytest.fixture
def place(tokenized: Snapshot) -> Row:
    """Where the example stands that the first row of the training rows begins with."""
    index = pq.read_table(tokenized.file("examples.parquet")).to_pylist()
    found: Row = next(
        entry for entry in index if (entry["split"], entry["row"], entry["start"]) == ("train", 0, 0)
    )
    return found


def fill(column: str, value: int, *, start: int = 0, end: int | None = None) -> Change:
    """Return a change of some cells of the first row."""

    def change(rows: list[Row]) -> None:
        cells = rows[0][column]
        cells[start:end] = [value] * len(cells[start:end])

    return change


@pytest.mark.parametrize("check", tokenized_examples.CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_golden_v2_passes_every_check_in_every_layout(
    store: Store, slot: Slot, subject_of: Callable[..., Subject], check: Check, layout: Layout
) -> None:
    tokens = tokenize_export(store, "golden-v2", TokenizeConfig(layout=layout))

    outcome = check.function(subject_of(slot, tokens))

    assert outcome.passed, outcome.description


def test_the_examples_found_through_the_index_are_all_of_them(tokenized: Snapshot) -> None:
    examples = list(Tokens(tokenized).examples())

    assert len({example.trace_id for example in examples}) == len(examples) == 92
    assert sum(len(example.ids) for example in examples) == sum(
        Tokens(tokenized).manifest.num_tokens.values()
    )


# index_keeps_its_contract


def test_a_trace_that_is_twice_in_the_index_is_found(plant: Callable[..., Subject]) -> None:
    subject = plant(lambda rows: rows.append(rows[0]), name="examples.parquet")

    outcome = tokenized_examples.index_keeps_its_contract(subject)

    assert not outcome.passed
    assert "trace_id breaks expect_column_values_to_be_unique" in outcome.description


def test_an_index_with_other_columns_is_found(slot: Slot, tampered: Callable[..., Subject]) -> None:
    def drop(folder: Path) -> None:
        table = pq.read_table(folder / "examples.parquet").drop_columns(["start"])
        pq.write_table(table, folder / "examples.parquet")

    outcome = tokenized_examples.index_keeps_its_contract(tampered(slot, drop))

    assert (outcome.passed, "columns are" in outcome.description) == (False, True)


# ids_are_in_range


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (fill("input_ids", 512, end=1), "train has ids from 0 to 512"),
        (fill("input_ids", -1, end=1), "train has ids from -1 to 511"),
        (fill("segment_ids", 0, end=5), "train has tokens outside its examples"),
        (fill("segment_ids", 1), "train counts other tokens than the manifest"),
        (lambda rows: rows.pop(0), "train has 40 rows, the manifest says 41"),
    ],
)
def test_ids_that_cannot_be_are_found(plant: Callable[..., Subject], change: Change, found: str) -> None:
    outcome = tokenized_examples.ids_are_in_range(plant(change))

    assert not outcome.passed
    assert found in outcome.description


# every_completion_is_supervised


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (fill("loss_mask", 1), "the loss mask is not the completion"),
        (fill("loss_mask", 0), "the loss mask is not the completion"),
        (fill("loss_mask", 1, end=1), "the loss mask is not the completion"),
        (lambda rows: rows[0]["loss_mask"].insert(0, rows[0]["loss_mask"].pop()), "is not the completion"),
        (fill("input_ids", 40), "the last label is not EOS"),
    ],
)
def test_a_loss_mask_that_is_not_the_completion_is_found(
    plant: Callable[..., Subject], change: Change, found: str
) -> None:
    outcome = tokenized_examples.every_completion_is_supervised(plant(change))

    assert not outcome.passed
    assert found in outcome.description


def test_an_example_that_is_taught_no_end_is_found(plant: Callable[..., Subject], place: Row) -> None:
    end = place["num_prompt_tokens"] + place["num_completion_tokens"]

    outcome = tokenized_examples.every_completion_is_supervised(
        plant(fill("input_ids", 40, start=end - 1, end=end))
    )

    assert outcome.description == f"loss mask: {place['trace_id']}: the last label is not EOS"


def test_an_unsupervised_end_is_found(plant: Callable[..., Subject], place: Row) -> None:
    end = place["num_prompt_tokens"] + place["num_completion_tokens"]

    outcome = tokenized_examples.every_completion_is_supervised(
        plant(fill("loss_mask", 0, start=end - 1, end=end))
    )

    assert not outcome.passed


def test_an_empty_completion_is_found(plant: Callable[..., Subject], place: Row) -> None:
    def empty(rows: list[Row]) -> None:
        entry = next(row for row in rows if row["trace_id"] == place["trace_id"])
        entry["num_prompt_tokens"] += entry["num_completion_tokens"]
        entry["num_completion_tokens"] = 0

    outcome = tokenized_examples.every_completion_is_supervised(plant(empty, name="examples.parquet"))

    assert f"{place['trace_id']}: the loss mask is not the completion" in outcome.description


def test_loss_on_padding_is_found(plant: Callable[..., Subject]) -> None:
    def supervise_padding(rows: list[Row]) -> None:
        row = next(row for row in rows if row["segment_ids"][-1] == 0)
        row["loss_mask"][-1] = 1

    outcome = tokenized_examples.every_completion_is_supervised(plant(supervise_padding))

    assert outcome.description == "loss mask: 1 supervised tokens belong to no example"


# examples_cannot_see_each_other


def merge_segments(rows: list[Row]) -> None:
    rows[0]["segment_ids"] = [min(segment, 1) for segment in rows[0]["segment_ids"]]


def let_positions_run_on(rows: list[Row]) -> None:
    rows[0]["positions"] = list(range(len(rows[0]["positions"])))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (merge_segments, "examples share segment 1 of row 0 of train"),
        (let_positions_run_on, "the positions do not count from 0"),
        (fill("segment_ids", 9, end=3), "the example lies in the segments [1, 9]"),
        (fill("segment_ids", 0), "the example lies in the segments [0]"),
    ],
)
def test_examples_that_are_not_apart_are_found(
    plant: Callable[..., Subject], change: Change, found: str
) -> None:
    outcome = tokenized_examples.examples_cannot_see_each_other(plant(change))

    assert not outcome.passed
    assert found in outcome.description


# tokens_read_back_as_the_export


def test_tokens_of_another_text_are_found(plant: Callable[..., Subject], place: Row) -> None:
    middle = place["num_prompt_tokens"]
    for start in (middle - 2, middle + 2):
        outcome = tokenized_examples.tokens_read_back_as_the_export(
            plant(fill("input_ids", 40, start=start, end=start + 1))
        )

        assert not outcome.passed
        assert f"{place['trace_id']}: " in outcome.description


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.pop(0), "there are 91 examples, the export gives 92"),
        (lambda rows: rows[0].update(trace_id="0" * 32), f"{'0' * 32}: "),
        (lambda rows: rows[0].update(trace_id=rows[1]["trace_id"]), " is not "),
    ],
)
def test_an_index_that_is_not_the_export_is_found(
    plant: Callable[..., Subject], change: Change, found: str
) -> None:
    outcome = tokenized_examples.tokens_read_back_as_the_export(plant(change, name="examples.parquet"))

    assert not outcome.passed
    assert found in outcome.description


# nothing_is_truncated


def test_examples_that_were_left_out_are_counted_and_warned_of(
    store: Store, slot: Slot, subject_of: Callable[..., Subject]
) -> None:
    subject = subject_of(slot, tokenize_export(store, "golden-v2", TokenizeConfig(seq_len=100)))

    outcome = tokenized_examples.nothing_is_truncated(subject)

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.facts["num_truncated_train"]
    assert "are longer than 100 tokens and left out" in outcome.description
    assert tokenized_examples.tokens_read_back_as_the_export(subject).passed


def test_a_split_that_lost_all_its_examples_is_an_error(
    store: Store, slot: Slot, subject_of: Callable[..., Subject]
) -> None:
    subject = subject_of(slot, tokenize_export(store, "golden-v2", TokenizeConfig(seq_len=16)))

    outcome = tokenized_examples.nothing_is_truncated(subject)

    assert (outcome.passed, outcome.severity) == (False, "ERROR")
    assert "train has no example" in outcome.description
    assert tokenized_examples.ids_are_in_range(subject).passed
    assert tokenized_examples.every_completion_is_supervised(subject).passed
