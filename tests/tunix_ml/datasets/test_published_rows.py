import pytest

from tunix_ml.datasets import published_rows as module
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import CorruptArtifact, Snapshot


@pytest.mark.parametrize("batch_rows", [1, 33, 2_000])
def test_the_rows_are_those_of_the_table_in_its_order(
    golden: Snapshot, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", batch_rows)

    assert list(published_rows(golden)) == Dataset(golden).rows


def test_a_damaged_table_gives_no_row(golden: Snapshot) -> None:
    (golden.path / "traces.parquet").write_bytes(b"PAR1")

    with pytest.raises(CorruptArtifact):
        next(published_rows(golden))
