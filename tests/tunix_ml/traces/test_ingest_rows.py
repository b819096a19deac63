import math
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.recipe import HuggingFaceSource, ParquetSource
from tunix_ml.contracts.reject import EXCERPT_CHARACTERS, Reject
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.read import Dataset
from tunix_ml.traces.ingest import Ingested
from tunix_ml.traces.ingest_rows import NO_OFFSET, describe_tables, ingest_rows
from tunix_ml.traces.lines import SourceError

MAPPING = {
    "prompt": {"field": "question"},
    "final_answer": {"field": "solution.text", "pattern": "#### (.+)"},
    "steps": {"field": "solution.text", "pattern": "(?s)^(.*)\n#### "},
}


def row(number: int, **changes):
    text = f"{number} + 1 = {number + 1}\nSo it is.\n#### {number + 1}"
    return {"question": f"What is {number} + 1?", "solution": {"text": text}, **changes}


def mapped(**mapping) -> ParquetSource:
    return ParquetSource(kind="parquet", path="rows.parquet", format="mapped", mapping={**MAPPING, **mapping})


def ingested(folder, rows, source=None, **options) -> list[Ingested | Reject]:
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", **options)
    return list(ingest_rows(source or mapped(), base_dir=folder))


def test_rows_become_traces_through_a_mapping(tmp_path):
    first, second = ingested(tmp_path, [row(1), row(2)])

    assert (first.source, first.line, second.line) == ("rows.parquet", 1, 2)
    assert first.trace.prompt == "What is 1 + 1?"
    assert [step.content for step in first.trace.steps] == ["1 + 1 = 2", "So it is."]
    assert second.trace.final_answer == "3"


def test_a_text_may_be_made_of_several_columns(tmp_path):
    rows = [{**row(1), "body": "Jo has 3.", "choices": ["no", "yes"], "right": 1}]
    template, choice = {"template": "{body} How many?"}, {"field": "choices.{right}"}

    (found,) = ingested(tmp_path, rows, mapped(prompt=template, final_answer=choice))

    assert (found.trace.prompt, found.trace.final_answer) == ("Jo has 3. How many?", "yes")


def test_each_bad_row_is_named_with_its_row_and_code(tmp_path):
    rows = [row(1), row(2, question=None), row(3, solution={"text": "none"}), row(1), row(5, question=" ")]
    rows += [row(6, question="a\0b"), row(7, solution={"text": "x" * 2_000_000})]

    items = ingested(tmp_path, rows)

    rejects = {item.line: item for item in items if isinstance(item, Reject)}
    assert {line: reject.code for line, reject in rejects.items()} == {
        2: "mapping",
        3: "mapping",
        4: "duplicate_trace",
        5: "contract",
        6: "nul_character",
        7: "line_too_long",
    }
    assert len(items) == len(rows)
    assert rejects[4].message == "the same content as row 1 of rows.parquet"
    assert "without a match of '#### (.+)'" in rejects[3].message
    assert {reject.byte_offset for reject in rejects.values()} == {NO_OFFSET}
    assert all(len(reject.excerpt) <= EXCERPT_CHARACTERS for reject in rejects.values())
    assert all(len(reject.sha256) == 64 for reject in rejects.values())


def test_the_size_of_the_row_groups_does_not_matter(tmp_path):
    rows = [row(number) for number in range(1_000)]

    assert ingested(tmp_path, rows, row_group_size=37) == ingested(tmp_path, rows)


def test_values_that_json_does_not_have_are_kept_as_texts(tmp_path):
    values = {
        "when": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "price": Decimal("2.50"),
        "raw": b"\x00\xff",
        "tags": ["a"],
    }

    (item,) = ingested(tmp_path, [row(1, **values)], mapped(meta=tuple(values)))

    assert item.trace.meta == {
        "when": "2026-01-02T03:04:00+00:00",
        "price": "2.50",
        "raw": "AP8=",
        "tags": ["a"],
    }


def test_a_number_without_a_value_is_a_reject_where_the_mapping_reads_it(tmp_path):
    rows = [row(1, score=math.nan)]

    (reject,) = ingested(tmp_path, rows, mapped(meta=("score",)))
    (trace,) = ingested(tmp_path, rows)

    assert (reject.code, reject.message) == ("non_finite_number", "nan is not a number of JSON")
    assert reject.excerpt
    assert isinstance(trace, Ingested)


def test_a_row_nested_too_deep_is_a_reject(tmp_path):
    value = 1
    for _ in range(70):
        value = {"a": value}

    (reject,) = ingested(tmp_path, [row(1, deep=value)], mapped(meta=("deep",)))

    assert reject.code == "nested_too_deep"


def test_a_missing_column_is_an_error_before_the_first_row(tmp_path):
    with pytest.raises(SourceError, match=r"has no column 'question': its columns are solution"):
        ingested(tmp_path, [{"solution": {"text": "x"}}])


def test_raw_traces_are_read_without_a_mapping(tmp_path):
    raw = {
        "trace_version": "1.0",
        "prompt": "Q",
        "final_answer": "3",
        "steps": ({"i": 0, "type": "t", "content": "1 + 2 = 3"},),
        "meta": {"family": "sums"},
    }

    (item,) = ingested(tmp_path, [raw], ParquetSource(kind="parquet", path="."))

    assert item.trace.record() == raw


def test_the_table_of_a_published_version_gives_its_traces_again(golden):
    dataset = Dataset(golden)
    source = ParquetSource(kind="parquet", path="traces.parquet")

    items = list(ingest_rows(source, base_dir=golden.path))

    assert [item.trace_id for item in items] == [found.trace_id for found in dataset.rows]
    assert {found.split for found in dataset.rows} == set(SPLITS)


def test_a_hugging_face_folder_is_read_by_split_and_described_by_file(tmp_path):
    for name, number in (("train-00000-of-00001", 1), ("test-00000-of-00001", 2)):
        (tmp_path / "data").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist([row(number)]), tmp_path / "data" / f"{name}.parquet")
    source = HuggingFaceSource(
        kind="huggingface", path=".", format="mapped", mapping=MAPPING, splits=("test",)
    )

    (item,) = ingest_rows(source, base_dir=tmp_path)
    (described,) = describe_tables(source, base_dir=tmp_path, num_records=Counter([item.source]))

    assert item.trace.prompt == "What is 2 + 1?"
    assert (described.name, described.num_records) == ("data/test-00000-of-00001.parquet", 1)
    assert described.num_bytes == (tmp_path / "data" / "test-00000-of-00001.parquet").stat().st_size
