import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.plain_files import safe_cell, write_csv, write_jsonl
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.ingest import Ingested, ingest


def test_jsonl_gives_the_same_traces_again(golden: Snapshot, tmp_path: Path) -> None:
    dataset = Dataset(golden)

    sizes = write_jsonl(tmp_path, golden, dataset.manifest)

    assert {split: size.num_rows for split, size in sizes.items()} == dataset.manifest.splits
    for split in sizes:
        items = list(ingest(JsonlSource(kind="jsonl", path=f"{split}.jsonl"), base_dir=tmp_path))
        assert all(isinstance(item, Ingested) for item in items)
        assert [item.trace_id for item in items if isinstance(item, Ingested)] == [
            row.trace_id for row in dataset.rows if row.split == split
        ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-5", "@SUM(A1)", "\t=1", "\r=1", " \n=cmd|' /C calc'!A0", "\uff1d1", "  -5"]
)
def test_a_cell_that_a_spreadsheet_would_compute_is_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "5", "a = b", "1 - 5", "'=1", "<=3"])
def test_any_other_cell_stays_as_it_is(text: str) -> None:
    assert safe_cell(text) == text


@given(st.text())
def test_no_cell_starts_a_formula(text: str) -> None:
    assert not safe_cell(text).lstrip().startswith(("=", "+", "-", "@"))


def test_no_field_of_a_trace_reaches_the_file_as_a_formula(
    store: Store, write_entry: Callable[..., CatalogEntry], tmp_path: Path
) -> None:
    evil = {
        "trace_version": "1.0",
        "prompt": "=HYPERLINK(1)",
        "final_answer": "-5",
        "steps": [{"i": 0, "type": "t", "content": '@SUM(A1), "two"\nlines'}],
        "meta": {"a": "=1"},
    }
    entry = write_entry([evil], splits={"train": 1.0})
    snapshot = build_dataset(store, entry, report=lambda line: None)

    write_csv(tmp_path, snapshot, Dataset(snapshot).manifest)

    with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["prompt"], row["final_answer"]) == ("'=HYPERLINK(1)", "'-5")
    assert row["steps"] == '\'@SUM(A1), "two"\nlines'
    assert row["meta"] == '{"a": "=1"}'
    assert (row["source"], row["source_line"]) == ("mine-v1.jsonl", "1")
