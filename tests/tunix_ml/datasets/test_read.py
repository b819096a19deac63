import pytest

from tunix_ml.contracts.reject import REJECTS_SCHEMA
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA
from tunix_ml.datasets.read import read_dataset
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store


def test_what_was_published_is_read_back_whole(store: Store, golden: Snapshot) -> None:
    dataset = read_dataset(store, "golden-v2")

    assert dataset.table.schema.equals(TRACES_SCHEMA.arrow())
    assert dataset.rejects.schema.equals(REJECTS_SCHEMA.arrow())
    assert [row.trace_id for row in dataset.rows] == list(dataset.manifest.trace_ids)
    assert all(row.trace.trace_id() == row.trace_id for row in dataset.rows)


def test_the_splits_are_a_partition_of_the_rows(store: Store, golden: Snapshot) -> None:
    dataset = read_dataset(store, "golden-v2", digest=golden.digest)

    members = [row.trace_id for split in SPLITS for row in dataset.split(split)]

    assert sorted(members) == sorted(dataset.manifest.trace_ids)


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_what_is_not_there_cannot_be_read(store: Store, digest: str | None) -> None:
    with pytest.raises(NotPublished, match="golden-v2"):
        read_dataset(store, "golden-v2", digest=digest)


@pytest.mark.parametrize("name", ["traces.parquet", "rejects.parquet", "manifest.json"])
def test_a_damaged_file_is_never_read(store: Store, golden: Snapshot, name: str) -> None:
    data = bytearray((golden.path / name).read_bytes())
    data[len(data) // 2] ^= 1
    (golden.path / name).write_bytes(data)
    dataset = read_dataset(store, "golden-v2")

    with pytest.raises(CorruptArtifact, match=f"{name} has sha256"):
        _ = (dataset.table, dataset.rejects, dataset.manifest)
