from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.quality import (
    CONTAMINATION_SCHEMA,
    DUPLICATES_SCHEMA,
    FINDINGS_SCHEMA,
    QualityConfig,
)
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry, load_recipe
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.quality.publish import publish_quality, quality_of, quality_slot, read_quality
from tunix_ml.parquet import read_table
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store


def silent(line: str) -> None:
    pass


def record(number: int, **changes: Any) -> dict[str, Any]:
    steps = [{"i": 0, "type": "calculate", "content": f"{number} + 1 = {number + 1}."}]
    fields = {
        "trace_version": "1.0",
        "prompt": f"Q{number}?",
        "final_answer": str(number + 1),
        "steps": steps,
    }
    return fields | changes


@pytest.mark.parametrize("version", ["golden-v2", "dev-reasoning-v1"])
def test_what_is_shipped_has_no_defect(store: Store, version: str) -> None:
    publish_catalog(store, report=silent)
    build_dataset(store, load_recipe(version, store.home), report=silent)

    snapshot = publish_quality(store, version)

    report = read_quality(snapshot)
    assert {"eval-v1", "eval-v2"} <= {one.evaluation_set for one in report.contamination}
    assert report.duplicates.recall == 1.0
    for name, schema in (
        ("duplicates", DUPLICATES_SCHEMA),
        ("contamination", CONTAMINATION_SCHEMA),
        ("findings", FINDINGS_SCHEMA),
    ):
        table = read_table(snapshot.file(f"{name}.parquet"))
        assert table.num_rows == 0
        assert table.schema.equals(schema.arrow())


def test_it_is_made_from_the_dataset_and_the_sets(store: Store, golden: Snapshot) -> None:
    sets = publish_catalog(store, report=silent).published

    parents = publish_quality(store, "golden-v2").record.parents

    assert parents["dataset"] == golden.digest
    assert parents["evaluation_set/eval-v1"] == sets["eval-v1"].digest


def test_the_same_again_is_the_same_content(store: Store, golden: Snapshot) -> None:
    first, second = publish_quality(store, "golden-v2"), publish_quality(store, "golden-v2")
    other = publish_quality(store, "golden-v2", config=QualityConfig(near_duplicate_similarity=0.9))

    assert first.digest == second.digest != other.digest


def test_quality_is_of_one_content_alone(store: Store, golden: Snapshot) -> None:
    assert quality_of(store, "golden-v2", dataset_digest=golden.digest) is None
    publish_quality(store, "golden-v2")

    found = quality_of(store, "golden-v2", dataset_digest=golden.digest)

    assert found is not None
    assert found.dataset_digest == golden.digest
    assert quality_of(store, "golden-v2", dataset_digest="0" * 64) is None


def test_a_version_is_compared_with_the_one_before(
    store: Store, write_entry: Callable[..., CatalogEntry]
) -> None:
    first = write_entry([record(number) for number in range(100)], version="mine-v1")
    long = [record(number, prompt=f"Q{number}: " + "why " * 40) for number in range(100)]
    for entry in (first, write_entry(long, version="mine-v2")):
        build_dataset(store, entry, report=silent)

    report = read_quality(publish_quality(store, "mine-v2"))

    assert report.compared_with == "mine-v1"
    assert [one.quantity for one in report.drift if one.distance > one.limit] == ["prompt_chars"]
    assert read_quality(publish_quality(store, "mine-v1")).compared_with is None


def test_findings_name_file_and_line(store: Store, write_entry: Callable[..., CatalogEntry]) -> None:
    rows = [record(1), record(2, prompt="Is it ann@example.com?"), record(3)]
    build_dataset(store, write_entry(rows), report=silent)

    (found,) = read_table(publish_quality(store, "mine-v1").file("findings.parquet")).to_pylist()

    assert (found["source"], found["source_line"], found["check"]) == ("mine-v1.jsonl", 2, "email")


def test_what_is_not_published_has_no_quality(store: Store) -> None:
    with pytest.raises(NotPublished):
        publish_quality(store, "golden-v2")
    assert quality_slot(store, "golden-v2").pointer() is None
