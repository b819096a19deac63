from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import HuggingFaceSource
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets import publish_folder
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.publish_folder import export_dataset
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.ingest import Ingested
from tunix_ml.traces.ingest_rows import ingest_rows


def head(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = yaml.safe_load(
        (folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    )
    return fields


def read_again(folder: Path, *splits: str) -> list[Ingested]:
    source = HuggingFaceSource(kind="huggingface", path=".", splits=splits)
    items = list(ingest_rows(source, base_dir=folder))
    return [item for item in items if isinstance(item, Ingested)]


def test_the_folder_has_parquet_by_split_and_a_card(store: Store, golden: Snapshot, tmp_path: Path) -> None:
    files = export_dataset(store, "golden-v2", tmp_path / "out" / "golden")

    assert set(files) == {"README.md", *(f"data/{split}-00000-of-00001.parquet" for split in SPLITS)}
    assert all(size == (tmp_path / "out" / "golden" / name).stat().st_size for name, size in files.items())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["golden"]


def test_the_card_agrees_with_the_files(store: Store, golden: Snapshot, tmp_path: Path) -> None:
    files = export_dataset(store, "golden-v2", tmp_path / "golden")

    info = head(tmp_path / "golden")["dataset_info"]
    rows = {
        split: pq.read_metadata(tmp_path / "golden" / "data" / f"{split}-00000-of-00001.parquet").num_rows
        for split in SPLITS
    }
    assert {entry["name"]: entry["num_examples"] for entry in info["splits"]} == rows
    assert rows == Dataset(golden).manifest.splits
    assert info["download_size"] == sum(size for name, size in files.items() if name.endswith(".parquet"))
    schema = pq.read_schema(tmp_path / "golden" / "data" / "train-00000-of-00001.parquet")
    assert [feature["name"] for feature in info["features"]] == schema.names


def test_a_recipe_reads_the_folder_again_and_gets_the_same_traces(
    store: Store, golden: Snapshot, tmp_path: Path
) -> None:
    export_dataset(store, "golden-v2", tmp_path / "golden")

    for split in SPLITS:
        expected = [row.trace_id for row in Dataset(golden).rows if row.split == split]
        assert [item.trace_id for item in read_again(tmp_path / "golden", split)] == expected


@pytest.mark.parametrize("shard_rows", [7, 30, 1_000])
def test_shards_hold_all_rows_in_their_order(
    store: Store, golden: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_rows: int
) -> None:
    monkeypatch.setattr(publish_folder, "SHARD_ROWS", shard_rows)
    monkeypatch.setattr(publish_folder, "_BATCH_ROWS", 11)

    files = export_dataset(store, "golden-v2", tmp_path / "golden")

    expected = [row.trace_id for row in Dataset(golden).rows if row.split == "train"]
    shards = [name for name in files if name.startswith("data/train-")]
    assert len(shards) == -(-len(expected) // shard_rows)
    assert shards[-1].endswith(f"-{len(shards) - 1:05}-of-{len(shards):05}.parquet")
    assert [item.trace_id for item in read_again(tmp_path / "golden", "train")] == expected


def test_a_split_without_traces_has_no_file_and_is_not_on_the_card(
    store: Store, write_entry: Callable[..., CatalogEntry], tmp_path: Path
) -> None:
    steps = [{"i": 0, "type": "t", "content": "1"}]
    record = {"trace_version": "1.0", "prompt": "Q", "final_answer": "1", "steps": steps}
    build_dataset(store, write_entry([record], splits={"test": 1.0}), report=lambda line: None)

    files = export_dataset(store, "mine-v1", tmp_path / "mine")

    assert set(files) == {"README.md", "data/test-00000-of-00001.parquet"}
    assert [entry["name"] for entry in head(tmp_path / "mine")["dataset_info"]["splits"]] == ["test"]


@pytest.mark.parametrize(("export_format", "suffix"), [("jsonl", ".jsonl"), ("csv", ".csv")])
def test_plain_files_have_a_card_that_names_them(
    store: Store, golden: Snapshot, tmp_path: Path, export_format: Any, suffix: str
) -> None:
    files = export_dataset(store, "golden-v2", tmp_path / "plain", export_format=export_format)

    (config,) = head(tmp_path / "plain")["configs"]
    assert {entry["path"] for entry in config["data_files"]} == {f"{split}{suffix}" for split in SPLITS}
    assert set(files) == {"README.md", *(f"{split}{suffix}" for split in SPLITS)}


def test_a_folder_that_is_there_is_left_alone(store: Store, golden: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()

    with pytest.raises(ContractError, match="is there already"):
        export_dataset(store, "golden-v2", tmp_path / "mine")


def test_a_failed_export_leaves_nothing(store: Store, golden: Snapshot, tmp_path: Path) -> None:
    (golden.path / "traces.parquet").write_bytes(b"damaged")

    with pytest.raises(CorruptArtifact):
        export_dataset(store, "golden-v2", tmp_path / "out" / "golden")

    assert list((tmp_path / "out").iterdir()) == []


def test_only_a_published_content_can_be_exported(store: Store, golden: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(NotPublished):
        export_dataset(store, "golden-v2", tmp_path / "golden", digest="0" * 64)
