import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.selection import FILTERED_SCHEMA
from tunix_ml.datasets import write_rows as module
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.read import Dataset
from tunix_ml.parquet import read_table
from tunix_ml.store import Store
from tunix_ml.traces.chunks import read_chunks

Write = Callable[..., CatalogEntry]
STEP = {"i": 0, "type": "t", "content": "c"}


def line(number: int) -> bytes:
    if number % 40 == 7:
        return b"{broken"
    if number % 30 == 11:
        return line(number - 5)  # given already
    record = {"trace_version": "1.0", "prompt": f"Q{number}", "final_answer": "A", "steps": [STEP]}
    return json.dumps({**record, "meta": {"size": number / 3 if number % 9 else number}}).encode()


def built(entry: CatalogEntry, home: str, **options: Any) -> Dataset:
    store = Store(entry.path.parent / home)
    return Dataset(build_dataset(store, entry, report=lambda line: None, **options))


@pytest.fixture
def entry(write_entry: Write) -> CatalogEntry:
    return write_entry([line(n) for n in range(700)], max_reject_rate=0.5)


@pytest.mark.parametrize(
    ("chunk_bytes", "num_workers"), [(150, 0), (5_000, 0), (5_000, 1), (5_000, 2), (20_000, 3)]
)
def test_any_chunks_and_number_of_workers_give_the_same_version(
    entry: CatalogEntry, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, num_workers: int
) -> None:
    whole = built(entry, "whole", num_workers=0)
    monkeypatch.setattr(module, "read_chunks", lambda path: read_chunks(path, chunk_bytes=chunk_bytes))

    chunked = built(entry, "chunked", num_workers=num_workers)

    assert chunked.snapshot.digest == whole.snapshot.digest
    assert chunked.table.equals(whole.table)
    assert chunked.rejects.equals(whole.rejects)
    assert chunked.manifest.counts() == whole.manifest.counts()


def test_packed_and_plain_lines_are_the_same_version(entry: CatalogEntry) -> None:
    source = entry.path.parent / "mine-v1.jsonl"
    plain = built(entry, "plain")
    (entry.path.parent / "packed").mkdir()
    (entry.path.parent / "packed" / "mine-v1.jsonl.gz").write_bytes(gzip.compress(source.read_bytes()))
    recipe = entry.recipe.model_copy(
        update={"source": entry.recipe.source.model_copy(update={"path": "packed"})}
    )

    packed = built(entry._replace(recipe=recipe), "packed-home")

    assert packed.snapshot.digest == plain.snapshot.digest


def test_every_record_is_counted_once(entry: CatalogEntry) -> None:
    dataset = built(entry, "home")
    counts = dataset.manifest.counts()
    codes = dataset.rejects["code"].to_pylist()

    assert counts.problems() == []
    assert counts.read == 700
    assert (counts.rejected, counts.duplicates) == (
        codes.count("invalid_json"),
        codes.count("duplicate_trace"),
    )
    assert min(counts.rejected, counts.duplicates) > 10
    assert counts.kept == dataset.table.num_rows
    filtered = read_table(dataset.snapshot.file("filtered.parquet"))
    assert filtered.schema.equals(FILTERED_SCHEMA.arrow())
    assert filtered.num_rows == counts.filtered == 0


def test_a_duplicate_says_where_its_line_begins_and_which_was_first(write_entry: Write) -> None:
    first, second = line(0), line(1)
    entry = write_entry([first, second, b"", first], max_reject_rate=0.5)

    (reject,) = built(entry, "home").rejects.to_pylist()

    assert (reject["line"], reject["byte_offset"]) == (4, len(first) + len(second) + 3)
    assert reject["message"] == "the same content as line 1 of mine-v1.jsonl"
    assert reject["excerpt"] == first.decode()[:160]


def test_the_rows_beside_a_duplicate_are_cut_up_once_and_not_once_for_each(
    write_entry: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = write_entry(map(line, range(50)), max_reject_rate=0.5)
    whole, calls = module.pieces, []
    monkeypatch.setattr(module, "pieces", lambda *given: calls.append(given) or whole(*given))

    assert built(entry, "home").manifest.counts().duplicates > 0
    assert len(calls) == 2  # their ids and their digests


def test_rows_left_out_of_versions_stand_in_their_table_and_are_counted(
    store: Store, write_entry: Write
) -> None:
    build_dataset(store, write_entry([line(n) for n in range(6)]), report=print)
    chosen = {
        "kind": "versions",
        "parts": [{"version": "mine-v1"}],
        "filters": [{"field": "prompt", "op": "not_equals", "value": "Q3"}],
    }
    entry = write_entry([], version="mine-v2")
    recipe = type(entry.recipe)(description="d", license="l", source=chosen)

    dataset = Dataset(build_dataset(store, entry._replace(recipe=recipe), report=print))

    (left_out,) = read_table(dataset.snapshot.file("filtered.parquet")).to_pylist()
    assert left_out["reason"] == "filter"
    assert dataset.manifest.counts()[:4] == (6, 5, 0, 1)
    assert dataset.manifest.counts().problems() == []
    assert sum(source.num_records for source in dataset.manifest.sources) == 6
    assert dataset.manifest.parent_dataset_id == "mine-v1"


def test_small_sources_are_read_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"x" * 100)
    (tmp_path / "b.jsonl.gz").write_bytes(b"x" * 100)
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda pid: set(range(64)))

    assert module._num_workers((tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz")) == 0
    monkeypatch.setattr(module, "_BYTES_WORTH_WORKERS", 900)
    assert module._num_workers((tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz")) == module.MAX_WORKERS


MEASURE = """
import sys
from pathlib import Path
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.store import Store
from tunix_ml.traces.chunks import read_chunks

folder, num_rows = Path(sys.argv[1]), int(sys.argv[2])
step = '{"i":0,"type":"t","content":"' + "c" * 300 + '"}'
with (folder / "a.jsonl").open("w") as file:
    for n in range(num_rows):
        file.write('{"trace_version":"1","prompt":"Q%d","final_answer":"A","steps":[%s]}\\n' % (n, step))
source = {"kind": "jsonl", "path": "a.jsonl"}
recipe = DatasetRecipe(description="d", license="l", source=source)
build_dataset(Store(folder / "home"), CatalogEntry("a-v1", recipe, folder / "a.yaml"), report=print)
status = Path("/proc/self/status").read_text()
print("peak", next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_memory_does_not_grow_with_the_rows_beyond_their_identities(tmp_path: Path) -> None:
    def peak_bytes(num_rows: int) -> int:
        folder = tmp_path / str(num_rows)
        folder.mkdir()
        command = [sys.executable, "-c", MEASURE, str(folder), str(num_rows)]
        out = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return int(out.split()[-1]) * 1024

    growth = peak_bytes(200_000) - peak_bytes(20_000)

    # An identity takes about 200 bytes, and a group of rows is held for writing; the rows alone are 70 MB as
    # text and several times that as objects.
    assert growth < 180_000 * 200 + (32 << 20)
