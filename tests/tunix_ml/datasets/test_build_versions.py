"""Versions built from versions: what the recipe asks for is what the artifact and its manifest say."""

from collections.abc import Callable
from typing import Any

from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.difference import compare_versions
from tunix_ml.datasets.read import Dataset
from tunix_ml.parquet import read_table
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Write = Callable[..., CatalogEntry]


def raw(number: int) -> dict[str, Any]:
    steps = [{"i": 0, "type": "t", "content": f"{number} + 1 = {number + 1}"}]
    return {"trace_version": "1.0", "prompt": f"New {number}?", "final_answer": str(number), "steps": steps}


def build(store: Store, entry: CatalogEntry, source: dict[str, Any], version: str) -> Snapshot:
    fields = {"description": "d", "license": "MIT", "source": source, "max_reject_rate": 0.5}
    recipe = type(entry.recipe).model_validate(fields)
    made = entry._replace(dataset_version=version, recipe=recipe)
    return build_dataset(store, made, report=lambda line: None)


def test_an_incremental_version_is_its_parent_and_the_new_rows(
    store: Store, golden: Snapshot, write_entry: Write
) -> None:
    entry = write_entry([raw(1), raw(2), b"{broken"])
    parts = [{"version": "golden-v2"}, {"rows": {"kind": "jsonl", "path": "mine-v1.jsonl"}}]

    after = build(store, entry, {"kind": "versions", "parts": parts}, "golden-v3")

    manifest = Dataset(after).manifest
    assert (manifest.read_count, manifest.trace_count, manifest.reject_count) == (103, 102, 1)
    assert after.record.parents == {"dataset:golden-v2": golden.digest}
    assert manifest.parent_dataset_id == "golden-v2"
    splits = {row.trace_id: row.split for row in Dataset(golden).rows}
    assert all(splits.get(row.trace_id, row.split) == row.split for row in Dataset(after).rows)
    assert compare_versions(golden, after).summary.by_source == {
        "mine-v1.jsonl": {"added": 2, "removed": 0, "changed": 0, "moved": 0}
    }


def test_what_a_selection_leaves_out_is_in_the_table_of_filtered_rows(
    store: Store, golden: Snapshot, write_entry: Write
) -> None:
    source = {
        "kind": "versions",
        "parts": [{"version": "golden-v2"}],
        "filters": [{"field": "family", "op": "not_equals", "value": "shopping"}],
        "strategy": "random",
        "seed": 9,
        "limit": 40,
    }

    after = build(store, write_entry([]), source, "few-v1")

    manifest = Dataset(after).manifest
    filtered = read_table(after.file("filtered.parquet"))
    assert (manifest.read_count, manifest.trace_count, manifest.filtered_count) == (100, 40, 60)
    assert filtered.num_rows == 60
    assert set(filtered["reason"].to_pylist()) == {"filter", "limit"}
    assert (manifest.selection_strategy, manifest.seed, manifest.filters["limit"]) == ("random", 9, 40)
    assert manifest.filters["filters"][0]["op"] == "not_equals"
