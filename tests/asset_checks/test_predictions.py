from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from asset_checks import predictions
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.prediction import PREDICTIONS_SCHEMA, DecodingConfig
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory

Row = dict[str, Any]
Edit = Callable[..., Callable[[Path], None]]
Tamper = Callable[..., Subject]


@pytest.fixture
def run(finished_run: Callable[..., RunDirectory]) -> RunDirectory:
    return finished_run()


@pytest.fixture
def slot(run: RunDirectory) -> Slot:
    return run.slot("predictions/golden-v2.test")


@pytest.fixture
def plant(slot: Slot, tampered: Tamper) -> Callable[..., Subject]:
    """A function that publishes the predictions with changed rows, in both files alike."""

    def changed(change: Callable[[list[Row]], object]) -> Subject:
        def edit(folder: Path) -> None:
            rows = pq.read_table(folder / "predictions.parquet").to_pylist()
            change(rows)
            table = PREDICTIONS_SCHEMA.table(rows)
            pq.write_table(table, folder / "predictions.parquet")
            (folder / "predictions.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(rows))

        return tampered(slot, edit)

    return changed


def change_first(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update(changes)


@pytest.mark.parametrize("check", predictions.CHECKS, ids=lambda check: check.name)
def test_sound_predictions_pass_every_check(
    slot: Slot, subject_of: Callable[..., Subject], check: Check
) -> None:
    outcome = check.function(subject_of(slot))

    assert outcome.passed, outcome.description


# predictions_keep_their_contract


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda rows: rows.append(rows[0]), "the table"),
        (change_first(finish_reason="cut"), "finish_reason"),
        (change_first(logprob=0.5), "logprob"),
    ],
)
def test_a_row_outside_the_contract_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Row]], object], column: str
) -> None:
    outcome = predictions.predictions_keep_their_contract(plant(change))

    assert not outcome.passed
    assert f"{column} breaks" in outcome.description


def test_a_table_that_says_other_than_the_lines_is_found(
    slot: Slot, tampered: Tamper, edit_table: Edit
) -> None:
    subject = tampered(slot, edit_table("predictions.parquet", change_first(text="<answer>5</answer>")))

    outcome = predictions.predictions_keep_their_contract(subject)

    assert not outcome.passed
    assert outcome.description == "predictions.parquet and predictions.jsonl differ"


def test_a_table_with_other_columns_is_found(slot: Slot, tampered: Tamper) -> None:
    def drop(folder: Path) -> None:
        table = pq.read_table(folder / "predictions.parquet").drop_columns(["text"])
        pq.write_table(table, folder / "predictions.parquet")

    outcome = predictions.predictions_keep_their_contract(tampered(slot, drop))

    assert (outcome.passed, "columns are" in outcome.description) == (False, True)


# one_prediction_per_item


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda rows: rows.pop(3), "has no prediction"),
        (lambda rows: rows.clear(), "has no prediction"),
        (lambda rows: rows.append(rows[0]), "has 2 predictions"),
        (change_first(sample_index=1), "has no prediction"),
        (change_first(sample_index=1), "sample 1, was not asked"),
        (lambda rows: rows.append({**rows[0], "item_id": "0" * 32}), f"item {'0' * 32} was not asked"),
        (change_first(prompt="Another question?\n"), "was asked 'Another question?"),
        (change_first(prompt_digest=sha256_hex(b"another")), "was asked"),
        (lambda rows: rows[0].update(prompt=rows[1]["prompt"]), "was asked"),
    ],
)
def test_an_item_without_its_one_prediction_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Row]], object], found: str
) -> None:
    outcome = predictions.one_prediction_per_item(plant(change))

    assert not outcome.passed
    assert found in outcome.description


def test_a_line_that_is_no_prediction_breaks_its_contract(plant: Callable[..., Subject]) -> None:
    subject = plant(change_first(finish_reason="cut"))

    with pytest.raises(ContractError, match=r"predictions\.jsonl of .* breaks its contract: .*'cut'"):
        predictions.one_prediction_per_item(subject)


def test_only_what_was_to_be_asked_is_expected(
    plant: Callable[..., Subject], slot: Slot, tampered: Tamper, edit_json: Edit
) -> None:
    plant(lambda rows: rows.pop())

    assert predictions.one_prediction_per_item(
        tampered(slot, edit_json("predictions_meta.json", num_items=7))
    ).passed


def test_every_sample_of_an_item_is_expected(
    plant: Callable[..., Subject], slot: Slot, tampered: Tamper, edit_json: Edit
) -> None:
    def add_second_samples(rows: list[Row]) -> None:
        rows.extend([{**row, "sample_index": 1} for row in rows])

    plant(add_second_samples)
    drawn = DecodingConfig(temperature=1, num_samples=2).model_dump()
    edit = edit_json("predictions_meta.json", decoding=drawn)

    assert predictions.predictions_keep_their_contract(tampered(slot, edit)).passed
    assert predictions.one_prediction_per_item(tampered(slot, edit)).passed
    outcome = predictions.one_prediction_per_item(plant(lambda rows: rows.pop()))
    assert "sample 1, has no prediction" in outcome.description


# model_is_the_trained_one


def test_predictions_by_another_model_are_found(slot: Slot, tampered: Tamper, edit_json: Edit) -> None:
    subject = tampered(slot, edit_json("predictions_meta.json", model_digest="0" * 64))

    outcome = predictions.model_is_the_trained_one(subject)

    assert not outcome.passed
    assert f"predictions has model {'0' * 64}" in outcome.description


def test_a_model_folder_that_was_replaced_is_found(
    run: RunDirectory, slot: Slot, tampered: Tamper, subject_of: Callable[..., Subject]
) -> None:
    tampered(run.slot("model"), lambda folder: (folder / "model.safetensors").write_text("base model"))

    outcome = predictions.model_is_the_trained_one(subject_of(slot))

    assert not outcome.passed
    assert "model folder has model" in outcome.description


def test_a_damaged_model_is_found(run: RunDirectory, slot: Slot, subject_of: Callable[..., Subject]) -> None:
    (run.slot("model").resolve().path / "model.safetensors").write_text("damaged")

    outcome = predictions.model_is_the_trained_one(subject_of(slot))

    assert not outcome.passed
    assert "model.safetensors has sha256" in outcome.description


# few_reach_the_length_limit


def test_a_model_that_never_ends_is_warned_of(plant: Callable[..., Subject]) -> None:
    outcome = predictions.few_reach_the_length_limit(plant(change_first(finish_reason="length")))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert outcome.description == "1 of 8 texts were cut at 160 tokens"
    assert outcome.facts["share_cut"] == 0.125
