import json
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.preview import describe_preview, preview_recipe
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Write = Callable[..., CatalogEntry]
MAPPED: dict[str, Any] = {
    "format": "mapped",
    "mapping": {
        "prompt": {"field": "question"},
        "final_answer": {"field": "answer", "pattern": "#### (.+)"},
        "steps": {"field": "answer", "pattern": "(?s)^(.*)\n####"},
        "meta": ["level"],
    },
}


def question(number: int) -> dict[str, Any]:
    answer = f"{number} + 1 = {number + 1}\nDone.\n#### {number + 1}"
    return {"question": f"What is {number} + 1?", "answer": answer, "level": number}


def test_a_person_sees_the_mapped_rows_then_the_rejects_then_the_sum(
    store: Store, write_entry: Write
) -> None:
    entry = write_entry(
        [question(1), {"question": "\x1b[31mWhy?", "answer": "because", "level": 0}, b"{broken", question(2)],
        source=MAPPED,
        splits={"train": 1.0},
    )

    text = describe_preview(preview_recipe(entry, store, num_rows=1))

    assert text.splitlines() == [
        "1. train · mine-v1.jsonl line 1",
        "   prompt: What is 1 + 1?",
        "   step 0: 1 + 1 = 2",
        "   step 1: Done.",
        "   answer: 2",
        '   meta: {"level": 1}',
        "",
        "2 rejected: 1 invalid_json, 1 mapping",
        "  mine-v1.jsonl line 2: mapping: final_answer from 'answer' is 'because',"
        " without a match of '#### (.+)'",
        "  mine-v1.jsonl line 3: invalid_json: Expecting property name enclosed in double quotes at character"
        " 1 of 7",
        "",
        "mine-v1: 4 records read = 2 kept (2 train) + 2 rejected + 0 left out",
        "A build would be refused: 50.00% rejected, the recipe allows 0.00%; mend the lines, or set"
        " `max_reject_rate: 0.5`",
    ]


def test_ten_rows_are_shown_unless_told_otherwise(store: Store, write_entry: Write) -> None:
    entry = write_entry([question(n) for n in range(30)], source=MAPPED)

    assert len(preview_recipe(entry, store).rows) == 10
    assert len(preview_recipe(entry, store, num_rows=3).rows) == 3


def test_the_counts_are_those_of_the_build(store: Store, write_entry: Write) -> None:
    entry = write_entry([*map(question, range(40)), b"{", question(3)], source=MAPPED, max_reject_rate=0.5)

    preview = preview_recipe(entry, store)
    manifest = Dataset(build_dataset(store, entry, report=lambda line: None)).manifest

    assert preview.num_read == manifest.read_count == 42
    assert preview.num_kept == manifest.trace_count
    assert preview.splits == {split: count for split, count in manifest.splits.items() if count}
    assert preview.reject_codes == manifest.stats["reject_codes"]
    assert not preview.is_refused


def test_nothing_is_written(store: Store, write_entry: Write) -> None:
    preview_recipe(write_entry([question(1)], source=MAPPED), store)

    assert not store.home.exists()


def test_it_can_stop_early_and_says_so(store: Store, write_entry: Write) -> None:
    entry = write_entry([question(n) for n in range(30)], source=MAPPED, splits={"train": 1.0})

    preview = preview_recipe(entry, store, max_records=7)

    assert (preview.num_read, preview.is_whole) == (7, False)
    assert describe_preview(preview).splitlines()[-1] == (
        "mine-v1: 7 records read and more not read = 7 kept (7 train) + 0 rejected + 0 left out"
    )
    assert preview_recipe(entry, store, max_records=30).is_whole


def test_rows_that_a_selection_leaves_out_are_shown_with_their_reason(
    store: Store, golden: Snapshot, write_entry: Write
) -> None:
    entry = write_entry([])
    source = {
        "kind": "versions",
        "parts": [{"version": "golden-v2"}],
        "filters": [{"field": "family", "op": "equals", "value": "shopping"}],
        "strategy": "latest",
        "limit": 5,
    }
    fields = {"description": "d", "license": "MIT", "source": source}
    entry = entry._replace(recipe=type(entry.recipe).model_validate(fields))

    preview = preview_recipe(entry, store, num_rejects=1)

    assert preview.filter_reasons == {"filter": 80, "limit": 15}
    assert describe_preview(preview).splitlines()[-6:-2] == [
        "95 left out: 80 filter, 15 limit",
        "  dataset:golden-v2 line 1: filter: family is 'column_addition',"
        " the filter asks for equals 'shopping'",
        "  … and 94 more",
        "",
    ]
    assert preview.num_read == 100


def test_a_recipe_of_which_nothing_is_left_is_refused(store: Store, write_entry: Write) -> None:
    text = describe_preview(preview_recipe(write_entry([]), store))

    assert text.splitlines() == [
        "mine-v1: 0 records read = 0 kept (none) + 0 rejected + 0 left out",
        "A build would be refused: there is nothing in its source",
    ]


def test_a_recipe_of_which_no_row_is_kept_is_refused_for_that(store: Store, write_entry: Write) -> None:
    entry = write_entry([b"{broken"], max_reject_rate=0.9)

    text = describe_preview(preview_recipe(entry, store))

    assert text.splitlines()[-1] == "A build would be refused: no row is kept"


def test_a_test_split_that_can_rank_nothing_is_told(store: Store, write_entry: Write) -> None:
    entry = write_entry([question(number) for number in range(40)], source=MAPPED, splits={"train": 1.0})

    text = describe_preview(preview_recipe(entry, store))

    assert text.splitlines()[-1].startswith("The test split has 0 of the 40 rows: ")


def test_long_texts_are_cut_and_the_record_is_whole(store: Store, write_entry: Write) -> None:
    long = question(1) | {"question": "x" * 1_000}
    preview = preview_recipe(write_entry([long], source=MAPPED), store)

    assert f"   prompt: {'x' * 300}… (1,000 characters)" in describe_preview(preview)
    assert json.loads(json.dumps(preview.record()))["rows"][0]["trace"]["prompt"] == "x" * 1_000


@pytest.mark.parametrize("kind", ["generator"])
def test_a_generator_is_previewed_too(store: Store, write_entry: Write, kind: str) -> None:
    source = {"kind": kind, "generator": "golden", "seed": 42, "num_traces": 20}
    entry = write_entry([])
    fields = {"description": "d", "license": "MIT", "source": source}

    preview = preview_recipe(entry._replace(recipe=type(entry.recipe).model_validate(fields)), store)

    assert (preview.num_kept, preview.rows[0].source) == (20, "generator:golden")
