from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.difference import DatasetDifference
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.difference import (
    compare_versions,
    describe_difference,
    publish_difference,
    publish_parent_difference,
    read_difference,
)
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]


def record(number: int, **changes: Any) -> dict[str, Any]:
    steps = [{"i": 0, "type": "t", "content": f"{number} + 1 = {number + 1}."}]
    trace = {"trace_version": "1.0", "prompt": f"What is {number} + 1?", "final_answer": str(number + 1)}
    return {**trace, "steps": steps, "meta": None, **changes}


@pytest.fixture
def publish(store: Store, write_entry: Callable[..., CatalogEntry]) -> Publish:
    def make(version: str, records: list[Any], **recipe: Any) -> Snapshot:
        return build_dataset(store, write_entry(records, version=version, **recipe), report=lambda line: None)

    return make


def test_each_row_is_added_removed_changed_or_the_same(publish: Publish) -> None:
    one = publish("sums-v1", [record(n) for n in (1, 2, 3)], splits={"train": 1.0})
    two = publish(
        "sums-v2",
        [record(4), record(3), record(2, prompt="WHAT is  2 + 1?", meta={"note": "better"})],
        splits={"train": 1.0},
    )

    found = compare_versions(one, two)

    assert [(row.change, row.prompt, row.source, row.source_line) for row in found.rows] == [
        ("added", "What is 4 + 1?", "sums-v2.jsonl", 1),
        ("changed", "WHAT is  2 + 1?", "sums-v2.jsonl", 3),
        ("removed", "What is 1 + 1?", "sums-v1.jsonl", 1),
    ]
    assert found.rows[1].trace_id_before != found.rows[1].trace_id
    assert found.summary.counts == {"added": 1, "removed": 1, "changed": 1, "moved": 0}
    assert found.summary.num_unchanged == 1


def test_the_same_content_in_another_split_has_moved(publish: Publish) -> None:
    one = publish("sums-v1", [record(1)], splits={"train": 1.0})
    two = publish("sums-v2", [record(1)], splits={"test": 1.0})

    ((row,), summary) = (compare_versions(one, two).rows, compare_versions(one, two).summary)

    assert (row.change, row.split_before, row.split) == ("moved", "train", "test")
    assert (summary.num_unchanged, summary.counts["moved"]) == (0, 1)


def test_the_counts_add_up_to_both_versions_where_questions_repeat(publish: Publish) -> None:
    one = publish("sums-v1", [record(1, meta={"n": n}) for n in range(5)] + [record(2)])
    two = publish("sums-v2", [record(1, meta={"n": n}) for n in (0, 7, 8)] + [record(3)])

    summary = compare_versions(one, two).summary

    counts, both = summary.counts, summary.num_unchanged + summary.counts["changed"] + summary.counts["moved"]
    assert counts == {"added": 1, "removed": 3, "changed": 2, "moved": 0}
    assert summary.num_before == both + counts["removed"] == 6
    assert summary.num_after == both + counts["added"] == 4


def test_a_version_does_not_differ_from_itself(golden: Snapshot) -> None:
    found = compare_versions(golden, golden)

    assert found.rows == []
    assert found.summary.num_unchanged == found.summary.num_before == found.summary.num_after == 100


def test_the_difference_is_stored_under_the_later_version_with_both_as_parents(
    store: Store, publish: Publish
) -> None:
    one, two = publish("sums-v1", [record(1)]), publish("sums-v2", [record(1), record(2)])

    snapshot = publish_difference(store, before="sums-v1", after="sums-v2")

    assert snapshot == store.slot("dataset_difference", "sums-v2").resolve()
    assert snapshot.record.parents == {"dataset:sums-v1": one.digest, "dataset:sums-v2": two.digest}
    assert DatasetDifference.read(snapshot.file("difference.json")).counts["added"] == 1
    (row,) = pq.read_table(snapshot.file("difference.parquet")).to_pylist()
    assert (row["change"], row["trace_id_before"], row["prompt"]) == ("added", None, "What is 2 + 1?")


def test_a_difference_needs_both_versions(store: Store, publish: Publish) -> None:
    publish("sums-v1", [record(1)])

    with pytest.raises(NotPublished):
        publish_difference(store, before="sums-v1", after="sums-v2")


def test_a_person_reads_the_totals_and_each_source(publish: Publish) -> None:
    one = publish("sums-v1", [record(1), record(2)])
    two = publish("sums-v2", [record(2), record(3)])

    text = describe_difference(compare_versions(one, two).summary)

    assert text == (
        "sums-v1 (2 traces) -> sums-v2 (2 traces)\n"
        "  1 added, 1 removed, 0 changed, 0 moved, 1 unchanged\n"
        "  sums-v1.jsonl: 0 added, 1 removed, 0 changed, 0 moved\n"
        "  sums-v2.jsonl: 1 added, 0 removed, 0 changed, 0 moved"
    )


def extended(entry: CatalogEntry, parent: str) -> CatalogEntry:
    """Return a recipe that takes the rows of a version and those of the entry's file."""
    rows = entry.recipe.source.model_dump()
    source = {"kind": "versions", "parts": [{"version": parent}, {"rows": rows}]}
    return entry._replace(recipe=DatasetRecipe(description="d", license="l", source=source))


def test_a_version_that_extends_another_has_its_difference_published(
    store: Store, publish: Publish, write_entry: Callable[..., CatalogEntry]
) -> None:
    one = publish("sums-v1", [record(1)])
    entry = extended(write_entry([record(2), record(3)], version="sums-v2"), "sums-v1")
    two = Dataset(build_dataset(store, entry, report=lambda line: None))

    difference = publish_parent_difference(store, two)

    assert difference is not None
    assert (difference.before_digest, difference.after_digest) == (one.digest, two.snapshot.digest)
    assert difference.counts["added"] == 2
    assert read_difference(store.slot("dataset_difference", "sums-v2").resolve()) == difference
    assert publish_parent_difference(store, Dataset(one)) is None
