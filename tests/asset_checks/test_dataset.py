from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from asset_checks import dataset
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.quality import QualityConfig
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Row = dict[str, Any]
Edit = Callable[..., Callable[[Path], None]]
Tamper = Callable[..., Subject]


@pytest.fixture
def slot(store: Store, golden: Snapshot) -> Slot:
    return store.slot("dataset", "golden-v2")


@pytest.fixture
def plant(slot: Slot, tampered: Tamper, edit_table: Edit) -> Callable[..., Subject]:
    """A function that publishes golden-v2 with changed rows, under the digest it had."""

    def changed(change: Callable[[list[Row]], object]) -> Subject:
        return tampered(slot, edit_table("traces.parquet", change), keep_digest=True)

    return changed


def record(number: int, step: str) -> Row:
    steps = [{"i": 0, "type": "calculate", "content": step}]
    return {"trace_version": "1.0", "prompt": f"Q{number}?", "final_answer": "5", "steps": steps}


def build(store: Store, entry: CatalogEntry) -> Subject:
    snapshot = build_dataset(store, entry, report=lambda line: None)
    return Subject(store, entry.dataset_version, store.slot("dataset", entry.dataset_version), snapshot)


@pytest.mark.parametrize("check", dataset.CHECKS, ids=lambda check: check.name)
def test_golden_v2_passes_every_check(slot: Slot, subject_of: Callable[..., Subject], check: Check) -> None:
    outcome = check.function(subject_of(slot))

    assert outcome.passed, outcome.description


# rows_keep_the_trace_contract


def change_first(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0].update(changes)


def change_step(**changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[0]["steps"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (lambda rows: rows.append(rows[0]), "trace_id"),
        (change_first(trace_id="abc"), "trace_id_chars"),
        (change_first(split="dev"), "split"),
        (change_first(trace_version=""), "trace_version_chars"),
        (change_first(prompt="x" * 50_001), "prompt_chars"),
        (change_first(final_answer=""), "final_answer_chars"),
        (change_first(steps=[]), "num_steps"),
        (change_step(type="x" * 65), "longest_step_type_chars"),
        (change_step(content=""), "shortest_step_content_chars"),
        (change_step(content="x" * 20_001), "longest_step_content_chars"),
        (change_step(i=-1), "lowest_step_i"),
        (lambda rows: rows[0]["steps"].append(rows[0]["steps"][0]), "num_repeated_step_i"),
    ],
)
def test_a_row_outside_the_contract_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Row]], object], column: str
) -> None:
    outcome = dataset.rows_keep_the_trace_contract(plant(change))

    assert not outcome.passed
    assert f"{column} breaks" in outcome.description


def test_a_table_with_other_columns_is_found(slot: Slot, tampered: Tamper) -> None:
    def drop(folder: Path) -> None:
        table = pq.read_table(folder / "traces.parquet").drop_columns(["source"])
        pq.write_table(table, folder / "traces.parquet")

    outcome = dataset.rows_keep_the_trace_contract(tampered(slot, drop))

    assert not outcome.passed
    assert "columns are" in outcome.description


# digest_matches_content


@pytest.mark.parametrize(
    "change",
    [
        change_first(final_answer="0"),
        change_first(split="test"),
        change_first(meta='{"family":"other"}'),
        change_step(content="another step"),
        lambda rows: rows.pop(),
        lambda rows: rows.append(rows[0]),
    ],
)
def test_rows_that_do_not_give_the_digest_are_found(
    plant: Callable[..., Subject], golden: Snapshot, change: Callable[[list[Row]], object]
) -> None:
    outcome = dataset.digest_matches_content(plant(change))

    assert not outcome.passed
    assert f"the manifest says {golden.digest}" in outcome.description


def test_a_row_under_the_id_of_another_trace_is_found(plant: Callable[..., Subject]) -> None:
    def swap(rows: list[Row]) -> None:
        rows[0]["trace_id"], rows[1]["trace_id"] = rows[1]["trace_id"], rows[0]["trace_id"]

    outcome = dataset.digest_matches_content(plant(swap))

    assert not outcome.passed
    assert "holds trace" in outcome.description


def test_a_manifest_with_another_digest_is_found(slot: Slot, tampered: Tamper, edit_json: Edit) -> None:
    subject = tampered(slot, edit_json("manifest.json", dataset_digest="0" * 64), keep_digest=True)

    assert not dataset.digest_matches_content(subject).passed


def test_a_version_published_under_another_digest_is_found(slot: Slot, tampered: Tamper) -> None:
    subject = tampered(slot, lambda folder: None)

    assert not dataset.digest_matches_content(subject).passed


@pytest.mark.parametrize(
    "name", ["traces.parquet", "rejects.parquet", "manifest.json", "README.md", "extra.txt"]
)
def test_a_damaged_or_added_file_is_found(
    slot: Slot, golden: Snapshot, subject_of: Callable[..., Subject], name: str
) -> None:
    (golden.path / name).write_bytes(b"damaged")

    outcome = dataset.digest_matches_content(subject_of(slot))

    assert not outcome.passed
    assert name in outcome.description


# counts_agree


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_count": 99},
        {"read_count": 101},
        {"reject_count": 1},
        {"splits": {"train": 100, "validation": 0, "test": 0}},
        {"trace_ids": ["0" * 32] * 100},
        {"sources": [{"name": "x", "sha256": "0" * 64, "num_bytes": 0, "num_records": 99}]},
    ],
)
def test_a_manifest_that_counts_otherwise_is_found(
    slot: Slot, tampered: Tamper, edit_json: Edit, changes: dict[str, Any]
) -> None:
    outcome = dataset.counts_agree(tampered(slot, edit_json("manifest.json", **changes)))

    assert not outcome.passed
    assert next(iter(changes)) in outcome.description


def test_a_lost_row_is_found(plant: Callable[..., Subject]) -> None:
    outcome = dataset.counts_agree(plant(lambda rows: rows.pop()))

    assert not outcome.passed
    assert "trace_count: manifest says 100, found 99" in outcome.description


# Splits


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split_is_found(slot: Slot, tampered: Tamper, edit_json: Edit, split: str) -> None:
    splits = {"train": 50, "validation": 25, "test": 25, split: 0}

    outcome = dataset.every_split_has_traces(tampered(slot, edit_json("manifest.json", splits=splits)))

    assert (outcome.passed, outcome.description) == (False, f"splits: {split} is empty")


def test_a_question_that_leaked_into_another_split_is_found(plant: Callable[..., Subject]) -> None:
    def leak(rows: list[Row]) -> None:
        source = next(row for row in rows if row["split"] == "test")
        rows.append({**source, "split": "train", "prompt": f"  {source['prompt'].upper()}"})

    outcome = dataset.splits_share_no_prompt(plant(leak))

    assert not outcome.passed
    assert "is in ['test', 'train']" in outcome.description


# Contamination


def test_a_content_that_nobody_has_judged_has_no_known_contamination(
    slot: Slot, subject_of: Callable[..., Subject]
) -> None:
    outcome = dataset.no_known_contamination(subject_of(slot))

    assert (outcome.passed, outcome.facts) == (True, {"num_sets": 0})


def test_a_report_of_an_evaluation_item_in_the_train_split_is_heeded(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    publish_catalog(store, report=lambda line: None)
    leaked = load_evaluation_set(store, "eval-v1").items[0]
    subject = build(
        store, write_entry([{**record(1, "So."), "prompt": leaked.prompt}], splits={"train": 1.0})
    )

    publish_quality(store, "mine-v1")
    found = dataset.no_known_contamination(subject)
    accepted = QualityConfig(accepted_items=[f"eval-v1/{leaked.item_id}"])
    publish_quality(store, "mine-v1", config=accepted)

    assert (found.passed, found.severity) == (False, "ERROR")
    assert "1 items of eval-v1 stand in the train split" in found.description
    assert dataset.no_known_contamination(subject).passed


# Arithmetic


def change_digit(text: str) -> str:
    position = next(index for index, char in enumerate(text) if char.isdigit())
    return text[:position] + str((int(text[position]) + 1) % 10) + text[position + 1 :]


@pytest.mark.parametrize("part", ["step", "final_answer", "prompt", "meta"])
def test_a_changed_digit_in_a_generated_trace_is_found(plant: Callable[..., Subject], part: str) -> None:
    def change(rows: list[Row]) -> None:
        row = next(row for row in rows if '"column_addition"' in row["meta"])
        if part == "step":
            row["steps"][0]["content"] = change_digit(row["steps"][0]["content"])
        else:
            row[part] = change_digit(row[part])

    outcome = dataset.generated_steps_recompute(plant(change))

    assert not outcome.passed
    assert outcome.facts["num_checked"] == 100


def test_a_trace_of_no_known_family_is_found(plant: Callable[..., Subject]) -> None:
    outcome = dataset.generated_steps_recompute(plant(change_first(meta='{"family":"magic"}')))

    assert not outcome.passed
    assert "meta.family 'magic' is none of" in outcome.description


def test_foreign_traces_are_not_recomputed_but_their_claims_are(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    subject = build(store, write_entry([record(1, "2 + 2 = 4."), record(2, "Then 2 + 3 = 6.")]))

    assert dataset.generated_steps_recompute(subject).facts == {"num_checked": 0}
    outcome = dataset.arithmetic_claims_hold(subject)
    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert "'2 + 3 = 6', computed 5" in outcome.description
    assert outcome.facts == {"num_problems": 1, "num_claims": 2, "num_traces": 2}


# Rejects


def test_tolerated_rejects_are_warned_of_and_counted(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    entry = write_entry(
        [record(1, "So."), b"{broken", record(2, "So."), record(1, "So.")], max_reject_rate=0.5
    )

    outcome = dataset.few_records_are_rejected(build(store, entry))

    assert (outcome.passed, outcome.severity) == (False, "WARN")
    assert "1 duplicate_trace; 1 invalid_json" in outcome.description
    assert outcome.facts["reject_rate"] == 0.5


def test_every_check_blocks_except_where_foreign_data_may_differ() -> None:
    tolerant = {check.name for check in dataset.CHECKS if not check.blocking}

    assert tolerant == {"arithmetic_claims_hold", "few_records_are_rejected"}
