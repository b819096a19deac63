import gzip
import json
import uuid
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets import build
from tunix_ml.datasets.build import DatasetRefused, build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.read import Dataset, read_dataset
from tunix_ml.slot import VersionConflict
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.lines import SourceError

Write = Callable[..., CatalogEntry]
# Field names of the original system's manifest, which its users' tools read.
ORIGINAL_FIELDS = (
    "dataset_key dataset_name dataset_version dataset_schema_version build_id created_at filters"
    " selection_strategy seed trace_ids trace_count stats session_id parent_dataset_id training_run_id"
)


def record(number: int, **changes: Any) -> dict[str, Any]:
    steps = [{"i": 0, "type": "calculate", "content": f"{number} + 1 = {number + 1}."}]
    trace = {"trace_version": "1.0", "prompt": f"What is {number} + 1?", "final_answer": str(number + 1)}
    return {**trace, "steps": steps, "meta": None, **changes}


def make(store: Store, entry: CatalogEntry) -> Snapshot:
    return build_dataset(store, entry, report=lambda line: None)


def rebuilt(entry: CatalogEntry, home: str) -> Snapshot:
    return make(Store(entry.path.parent / home), entry)


# What a version holds


def test_every_record_becomes_a_row_in_its_order(store: Store, write_entry: Write) -> None:
    dataset = Dataset(make(store, write_entry([record(n) for n in range(30)])))

    assert [row.trace.prompt for row in dataset.rows] == [f"What is {n} + 1?" for n in range(30)]
    assert [(row.source, row.source_line) for row in dataset.rows][6] == ("mine-v1.jsonl", 7)


def test_the_batch_in_which_rows_are_written_does_not_matter(
    store: Store, write_entry: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write_entry([record(n) for n in range(30)])
    whole = Dataset(rebuilt(entry, "whole"))
    monkeypatch.setattr(build, "_BATCH_ROWS", 7)

    batched = Dataset(rebuilt(entry, "batched"))

    assert batched.rows == whole.rows


def test_long_builds_tell_how_far_they_are(
    store: Store, write_entry: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_REPORT_EVERY", 10)
    told: list[str] = []

    build_dataset(store, write_entry([record(n) for n in range(25)]), report=told.append)

    assert told == ["mine-v1: 10 records read, 0 rejected", "mine-v1: 20 records read, 0 rejected"]


def test_the_manifest_counts_what_the_tables_hold(store: Store, write_entry: Write) -> None:
    entry = write_entry([record(1), b"{broken", record(2), record(1)], max_reject_rate=0.9)
    dataset = Dataset(make(store, entry))
    manifest = dataset.manifest

    assert (manifest.trace_count, manifest.reject_count, manifest.read_count) == (2, 2, 4)
    assert manifest.splits == {split: len(dataset.split(split)) for split in SPLITS}
    assert manifest.stats["reject_codes"] == {"duplicate_trace": 1, "invalid_json": 1}
    assert manifest.stats["num_steps"] == {"min": 1, "mean": 1.0, "max": 1}
    assert manifest.trace_ids == tuple(row.trace_id for row in dataset.rows)


def test_the_manifest_has_the_field_names_of_the_original(golden: Snapshot) -> None:
    fields = json.loads(golden.file("manifest.json").read_bytes())

    assert set(ORIGINAL_FIELDS.split()) <= fields.keys()
    assert (fields["dataset_key"], fields["dataset_name"], fields["dataset_version"]) == (
        "golden-v2",
        "golden",
        "v2",
    )
    assert (fields["seed"], fields["trace_count"]) == (42, 100)


def test_the_manifest_names_the_source_by_its_bytes(store: Store, write_entry: Write) -> None:
    entry = write_entry([record(1), record(2)])
    data = (entry.path.parent / "mine-v1.jsonl").read_bytes()

    (source,) = Dataset(make(store, entry)).manifest.sources

    assert (source.name, source.sha256) == ("mine-v1.jsonl", sha256_hex(data))
    assert (source.num_bytes, source.num_records) == (len(data), 2)


def test_a_folder_of_plain_and_packed_files_is_one_dataset(store: Store, write_entry: Write) -> None:
    entry = write_entry([record(1)], source={"path": "."})
    packed = gzip.compress(json.dumps(record(2)).encode())
    (entry.path.parent / "more.jsonl.gz").write_bytes(packed)

    manifest = Dataset(make(store, entry)).manifest

    assert [(source.name, source.num_records) for source in manifest.sources] == [
        ("mine-v1.jsonl", 1),
        ("more.jsonl.gz", 1),
    ]


# Identity


def test_the_digest_ignores_the_order_of_the_rows(write_entry: Write) -> None:
    records = [record(n) for n in range(9)]

    forward = rebuilt(write_entry(records), "forward")
    backward = rebuilt(write_entry(records[::-1]), "backward")

    assert forward.digest == backward.digest


def test_the_digest_ignores_line_ends_and_the_spelling_of_the_json(write_entry: Write) -> None:
    records = [record(n) for n in range(9)]
    spelled = [json.dumps(dict(reversed(item.items())), indent=None).encode() + b"\r" for item in records]

    plain, crlf = rebuilt(write_entry(records), "plain"), rebuilt(write_entry(spelled), "crlf")

    assert Dataset(crlf).manifest.reject_count == 0
    assert plain.digest == crlf.digest


@pytest.mark.parametrize("changes", [{"final_answer": "7"}, {"meta": {"a": 1}}, {"trace_version": "1.1"}])
def test_the_digest_depends_on_every_part_of_a_trace(write_entry: Write, changes: dict[str, Any]) -> None:
    one = rebuilt(write_entry([record(1), record(2)]), "one")
    other = rebuilt(write_entry([record(1), record(2, **changes)]), "other")

    assert one.digest != other.digest


def test_the_digest_depends_on_the_splits(write_entry: Write) -> None:
    records = [record(n) for n in range(9)]

    one = rebuilt(write_entry(records, splits={"train": 1.0}), "one")
    other = rebuilt(write_entry(records, splits={"test": 1.0}), "other")

    assert one.digest != other.digest


def test_a_generator_gives_the_same_dataset_again(store: Store, golden: Snapshot, write_entry: Write) -> None:
    source = {"kind": "generator", "generator": "golden", "seed": 42, "num_traces": 100}
    entry = write_entry([])
    splits = {"train": 0.8, "validation": 0.1, "test": 0.1}
    recipe = type(entry.recipe)(description="d", license="l", source=source, splits=splits)

    again = make(store, entry._replace(recipe=recipe))
    other_seed = recipe.model_copy(update={"source": recipe.source.model_copy(update={"seed": 43})})

    assert again.digest == golden.digest
    assert make(store, entry._replace(dataset_version="mine-v2", recipe=other_seed)).digest != golden.digest


def test_the_build_id_follows_from_the_content(golden: Snapshot) -> None:
    assert Dataset(golden).manifest.build_id == uuid.uuid5(uuid.NAMESPACE_OID, golden.digest)


# Immutability


def test_the_same_content_again_changes_nothing(store: Store, write_entry: Write) -> None:
    entry = write_entry([record(1)])
    first = make(store, entry)

    assert make(store, entry).record == first.record
    assert [path.name for path in store.slot("dataset", "mine-v1").path.glob("[0-9a-f]*")] == [
        first.path.name
    ]


def test_a_version_never_changes_its_content(store: Store, write_entry: Write) -> None:
    first = make(store, write_entry([record(1)]))
    changed = write_entry([record(2)])
    digest = rebuilt(changed, "elsewhere").digest

    with pytest.raises(VersionConflict, match=rf"has content {first.digest} and would become {digest}"):
        make(store, changed)

    assert store.slot("dataset", "mine-v1").resolve() == first


def test_no_trace_changes_its_split_when_the_dataset_grows(store: Store, write_entry: Write) -> None:
    small = Dataset(make(store, write_entry([record(n) for n in range(40)], version="mine-v1")))
    large = Dataset(make(store, write_entry([record(n) for n in range(90, -1, -1)], version="mine-v2")))

    splits = {row.trace_id: row.split for row in large.rows}

    assert len(set(splits.values())) > 1
    assert {row.trace_id: splits[row.trace_id] for row in small.rows} == {
        row.trace_id: row.split for row in small.rows
    }


# Refusal


def test_too_many_rejects_refuse_the_build_and_are_named_and_published(
    store: Store, write_entry: Write
) -> None:
    entry = write_entry([record(1), b"{broken", record(2), record(3, final_answer="")], max_reject_rate=0.49)

    with pytest.raises(DatasetRefused) as refused:
        make(store, entry)

    assert str(refused.value).splitlines()[0] == (
        "mine-v1: 2 of 4 records rejected (50.00%), the recipe allows 49.00%:"
    )
    assert "  mine-v1.jsonl line 2: invalid_json: " in str(refused.value)
    assert "  mine-v1.jsonl line 4: contract: " in str(refused.value)
    rejects = store.slot("rejects", "mine-v1").resolve().file("rejects.parquet")
    assert pq.read_table(rejects).column("line").to_pylist() == [2, 4]


def test_a_refused_build_publishes_no_dataset(store: Store, write_entry: Write) -> None:
    with pytest.raises(DatasetRefused):
        make(store, write_entry([record(1), b"{broken"]))

    with pytest.raises(NotPublished):
        read_dataset(store, "mine-v1")
    assert [slot.table for slot in store.slots() if slot.pointer()] == ["rejects"]


def test_as_many_rejects_as_the_recipe_allows_stand_beside_the_traces(
    store: Store, write_entry: Write
) -> None:
    dataset = Dataset(make(store, write_entry([record(1), b"{broken"], max_reject_rate=0.5)))

    (reject,) = dataset.rejects.to_pylist()
    assert (reject["source"], reject["line"], reject["code"]) == ("mine-v1.jsonl", 2, "invalid_json")
    assert dataset.manifest.trace_count == 1


def test_no_more_than_twenty_rejects_are_named(store: Store, write_entry: Write) -> None:
    with pytest.raises(DatasetRefused) as refused:
        make(store, write_entry([b"{broken"] * 50))

    assert len(str(refused.value).splitlines()) == 1 + 20 + 2
    assert "… and 30 more\nall of them are in the table `rejects` under mine-v1" in str(refused.value)


def test_the_same_traces_with_a_new_broken_line_keep_the_version_and_the_reject(
    store: Store, write_entry: Write
) -> None:
    lines = [json.dumps(record(n)).encode() for n in range(20)]
    published = make(store, write_entry(lines))
    said: list[str] = []

    again = build_dataset(store, write_entry([*lines, b"{broken"], max_reject_rate=0.5), report=said.append)

    assert again == published
    assert "reject_count" in said[-1]
    rejects = pq.read_table(store.slot("rejects", "mine-v1").resolve().file("rejects.parquet"))
    assert rejects["line"].to_pylist() == [21]


@pytest.mark.parametrize("lines", [[], [b"", b"   "]])
def test_a_dataset_without_a_trace_is_refused(store: Store, write_entry: Write, lines: list[bytes]) -> None:
    with pytest.raises(DatasetRefused, match="mine-v1 is empty: 0 records read, none is a valid trace"):
        make(store, write_entry(lines))


def test_a_missing_source_publishes_nothing(store: Store, write_entry: Write) -> None:
    entry = write_entry([record(1)], source={"path": "nowhere.jsonl"})

    with pytest.raises(SourceError, match=r"nowhere\.jsonl"):
        make(store, entry)

    assert [slot for slot in store.slots() if slot.pointer()] == []


def test_an_unknown_generator_is_refused(store: Store, write_entry: Write) -> None:
    entry = write_entry([])
    source = {"kind": "generator", "generator": "silver", "seed": 1, "num_traces": 5}
    recipe = type(entry.recipe)(description="d", license="l", source=source)

    with pytest.raises(ContractError, match=r"generator 'silver' is none of .*golden"):
        make(store, entry._replace(recipe=recipe))
