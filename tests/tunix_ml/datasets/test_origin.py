import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from tunix_ml.contracts.recipe import RowsSource
from tunix_ml.datasets.origin import describe, records
from tunix_ml.traces.ingest import Ingested
from tunix_ml.traces.lines import SourceError

RAW = {
    "trace_version": "1.0",
    "prompt": "Q",
    "final_answer": "3",
    "steps": [{"i": 0, "type": "t", "content": "1 + 2 = 3"}],
    "meta": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(json.dumps(RAW))
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist([RAW]), tmp_path / "data" / "train.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"kind": "jsonl", "path": "rows.jsonl"}, "rows.jsonl"),
        ({"kind": "parquet", "path": "data/*.parquet"}, "train.parquet"),
        ({"kind": "huggingface", "path": "."}, "data/train.parquet"),
        ({"kind": "generator", "generator": "golden", "seed": 1, "num_traces": 1}, "generator:golden"),
    ],
)
def test_every_kind_of_source_gives_rows_and_is_described_by_their_names(
    folder: Path, fields: dict[str, Any], name: str
) -> None:
    source: RowsSource = TypeAdapter(RowsSource).validate_python(fields)

    found = list(records(source, base_dir=folder))
    (described,) = describe(source, base_dir=folder, num_records=Counter(item.source for item in found))

    assert [(type(item), item.source, item.line) for item in found] == [(Ingested, name, 1)]
    assert (described.name, described.num_records) == (name, 1)


def test_games_of_ungar_have_the_name_of_the_game(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"kind": "ungar", "game": "spades_mini", "seed": 1, "num_episodes": 1}
    source: RowsSource = TypeAdapter(RowsSource).validate_python(fields)
    monkeypatch.setitem(__import__("sys").modules, "ungar", None)

    (described,) = describe(source, base_dir=folder, num_records={"ungar:spades_mini": 1})

    assert (described.name, described.num_records) == ("ungar:spades_mini", 1)
    with pytest.raises(SourceError, match="needs the package `ungar`"):
        next(records(source, base_dir=folder))
