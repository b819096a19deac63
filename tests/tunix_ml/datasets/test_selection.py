import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.recipe import VersionsSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.selection import Filtered
from tunix_ml.contracts.trace import DatasetTrace, Split
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.selection import (
    Selection,
    describe_selection,
    open_selection,
    parents,
    selected_rows,
    selection_fields,
)
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]
SHARES: dict[Split, float] = {"train": 1.0}


def record(number: int, **meta: Any) -> dict[str, Any]:
    steps = [{"i": 0, "type": "t", "content": f"{number} + 1 = {number + 1}."}]
    trace = {"trace_version": "1.0", "prompt": f"What is {number} + 1?", "final_answer": str(number + 1)}
    return {**trace, "steps": steps, "meta": meta or None}


@pytest.fixture
def publish(store: Store, write_entry: Callable[..., CatalogEntry]) -> Publish:
    def make(version: str, records: list[Any], **recipe: Any) -> Snapshot:
        entry = write_entry(records, version=version, **{"splits": {"train": 1.0}, **recipe})
        return build_dataset(store, entry, report=lambda line: None)

    return make


def opened(store: Store, *parts: dict[str, Any], base_dir: Path | None = None, **fields: Any) -> Selection:
    source = VersionsSource.model_validate({"kind": "versions", "parts": parts, **fields})
    return open_selection(source, store, base_dir=base_dir or store.home)


def rows(selection: Selection) -> list[DatasetTrace | Filtered | Reject]:
    return list(selected_rows(selection, shares=SHARES))


def prompts(selection: Selection) -> list[str]:
    return [row.trace.prompt for row in rows(selection) if isinstance(row, DatasetTrace)]


def left_out(selection: Selection) -> list[Filtered]:
    return [row for row in rows(selection) if isinstance(row, Filtered)]


def test_rows_come_part_by_part_and_name_the_version_and_row_they_come_from(
    store: Store, publish: Publish
) -> None:
    publish("a-v1", [record(1), record(2)])
    publish("b-v1", [record(3)])

    found = rows(opened(store, {"version": "b-v1"}, {"version": "a-v1"}))

    assert [(row.source, row.source_line) for row in found if isinstance(row, DatasetTrace)] == [
        ("dataset:b-v1", 1),
        ("dataset:a-v1", 1),
        ("dataset:a-v1", 2),
    ]


def test_rows_that_fail_a_filter_are_left_out_with_what_they_failed(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(1, level=1), record(2, level=2), record(3)])
    level = {"field": "meta.level", "op": "at_least", "value": 2}

    of_all = opened(store, {"version": "a-v1"}, filters=[level])
    of_part = opened(store, {"version": "a-v1", "filters": [level]})

    assert prompts(of_all) == prompts(of_part) == ["What is 2 + 1?"]
    assert left_out(of_all) == left_out(of_part)
    assert [(row.line, row.reason, row.detail) for row in left_out(of_all)] == [
        (1, "filter", "meta.level is 1, the filter asks for at_least 2"),
        (3, "filter", "meta.level is missing, the filter asks for at_least 2"),
    ]


def test_every_row_read_is_kept_or_left_out_or_rejected_once(
    store: Store, publish: Publish, tmp_path: Path
) -> None:
    publish("a-v1", [record(n, family="even" if n % 2 == 0 else "odd") for n in range(40)])
    publish("b-v1", [record(n, family="big") for n in range(100, 130)])
    lines = [json.dumps(record(n, family="new")) for n in range(200, 210)]
    (tmp_path / "new.jsonl").write_text("\n".join([*lines, "{broken", json.dumps(record(0, family="even"))]))
    selection = opened(
        store,
        {"version": "a-v1", "weight": 2},
        {"version": "b-v1", "weight": 1},
        {"rows": {"kind": "jsonl", "path": "new.jsonl"}, "weight": 1},
        base_dir=tmp_path,
        strategy="random",
        seed=5,
        limit=20,
        max_per_family=12,
        family_caps={"even": 3},
        filters=[{"field": "prompt", "op": "matches", "value": "[^7]"}],
    )

    found = rows(selection)

    kinds = Counter(type(row).__name__ for row in found)
    assert len(found) == 40 + 30 + 12
    assert kinds["Reject"] == 1
    assert kinds["DatasetTrace"] == 20
    assert Counter(row.source for row in found if isinstance(row, DatasetTrace)) == {
        "dataset:a-v1": 10,
        "dataset:b-v1": 5,
        "new.jsonl": 5,
    }
    assert {row.reason for row in found if isinstance(row, Filtered)} == {
        "duplicate_trace",
        "family_cap",
        "weight",
    }
    assert len({(row.source, row.line) for row in left_out(selection)}) == kinds["Filtered"]


def test_the_same_recipe_gives_the_same_rows_again(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(n) for n in range(30)])
    options: dict[str, Any] = {"strategy": "random", "seed": 3, "limit": 7}

    assert rows(opened(store, {"version": "a-v1"}, **options)) == rows(
        opened(store, {"version": "a-v1"}, **options)
    )


def test_latest_prefers_the_later_part_and_the_later_row(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(1), record(2)])
    publish("b-v1", [record(3)])

    chosen = opened(store, {"version": "a-v1"}, {"version": "b-v1"}, strategy="latest", limit=2)

    assert prompts(chosen) == ["What is 2 + 1?", "What is 3 + 1?"]


def test_of_equal_traces_the_first_that_passes_its_filters_stays(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(1), record(2)])
    publish("b-v1", [record(2), record(1)])
    nothing_of_two = {"field": "final_answer", "op": "not_equals", "value": "3"}

    chosen = opened(store, {"version": "a-v1", "filters": [nothing_of_two]}, {"version": "b-v1"})

    kept = [row.source for row in rows(chosen) if isinstance(row, DatasetTrace)]
    assert kept == ["dataset:a-v1", "dataset:b-v1"]
    assert left_out(chosen)[-1].detail == "the same content as row 1 of dataset:a-v1"


def test_a_question_stays_in_its_split_and_in_the_most_held_out_of_several(
    store: Store, publish: Publish
) -> None:
    publish("a-v1", [record(1), record(2, a=1)], splits={"train": 1.0})
    publish("b-v1", [record(2, a=2), record(3)], splits={"test": 1.0})
    both = ({"version": "a-v1"}, {"version": "b-v1"})

    kept = {row.trace.record()["prompt"]: row.split for row in rows(opened(store, *both)) if is_kept(row)}
    drawn = {row.split for row in rows(opened(store, *both, splits="drawn")) if is_kept(row)}

    assert kept == {"What is 1 + 1?": "train", "What is 2 + 1?": "test", "What is 3 + 1?": "test"}
    assert drawn == {"train"}


def is_kept(row: Any) -> bool:
    return isinstance(row, DatasetTrace)


def test_a_test_question_stays_held_out_even_if_its_row_is_filtered(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(2, a=1)], splits={"test": 1.0})
    publish("b-v1", [record(2, a=2)], splits={"train": 1.0})
    only_train = {"field": "split", "op": "equals", "value": "train"}

    (out, kept) = rows(opened(store, {"version": "a-v1"}, {"version": "b-v1"}, filters=[only_train]))

    assert isinstance(out, Filtered)
    assert isinstance(kept, DatasetTrace)
    assert kept.split == "test"


def test_an_incremental_version_has_the_old_rows_and_those_that_are_new(
    store: Store, publish: Publish, tmp_path: Path
) -> None:
    before = publish("a-v1", [record(1), record(2)], splits={"test": 1.0})
    (tmp_path / "more.jsonl").write_text("\n".join(json.dumps(record(n)) for n in (2, 3)))
    new = {"rows": {"kind": "jsonl", "path": "more.jsonl"}}

    selection = opened(store, {"version": "a-v1"}, new, base_dir=tmp_path)
    found = rows(selection)

    assert [(row.split, row.source) for row in found if isinstance(row, DatasetTrace)] == [
        ("test", "dataset:a-v1"),
        ("test", "dataset:a-v1"),
        ("train", "more.jsonl"),
    ]
    assert [(row.part, row.source, row.line, row.reason) for row in left_out(selection)] == [
        ("new:jsonl", "more.jsonl", 1, "duplicate_trace")
    ]
    assert parents(selection) == {"dataset:a-v1": before.digest}


def test_the_sources_are_the_versions_with_their_content_and_the_new_files(
    store: Store, publish: Publish, tmp_path: Path
) -> None:
    before = publish("a-v1", [record(1), record(2)])
    (tmp_path / "more.jsonl").write_text(json.dumps(record(3)))
    new = {"rows": {"kind": "jsonl", "path": "more.jsonl"}}
    selection = opened(store, {"version": "a-v1"}, {"version": "a-v1"}, new, base_dir=tmp_path)
    counts = Counter(row.source for row in rows(selection))

    version, file = describe_selection(selection, num_records=counts)

    assert (version.name, version.sha256, version.num_records) == ("dataset:a-v1", before.digest, 4)
    assert (file.name, file.num_records) == ("more.jsonl", 1)


def test_new_rows_may_be_generated(store: Store, publish: Publish) -> None:
    publish("a-v1", [record(1)])
    new = {"rows": {"kind": "generator", "generator": "arithmetic", "seed": 1, "num_traces": 5}}

    found = rows(opened(store, {"version": "a-v1"}, new))

    assert [row.source for row in found if isinstance(row, DatasetTrace)] == [
        "dataset:a-v1",
        *["generator:arithmetic"] * 5,
    ]


def test_a_version_that_is_not_published_or_has_other_content_is_an_error(
    store: Store, publish: Publish
) -> None:
    publish("a-v1", [record(1)])

    with pytest.raises(NotPublished, match="'none-v1' has not been materialized"):
        opened(store, {"version": "none-v1"})
    with pytest.raises(NotPublished, match=f"has no content {'0' * 64}"):
        opened(store, {"version": "a-v1", "content": "0" * 64})


def test_the_manifest_states_the_selection_in_the_words_of_the_original_request() -> None:
    source = VersionsSource.model_validate(
        {
            "kind": "versions",
            "parts": [{"version": "a-v1", "weight": 2}, {"version": "b-v3", "weight": 1}],
            "filters": [{"field": "split", "op": "equals", "value": "train"}],
            "strategy": "random",
            "seed": 4,
            "limit": 9,
        }
    )

    fields = selection_fields(source)

    assert fields == {
        "filters": {
            "filters": [{"field": "split", "op": "equals", "value": "train"}],
            "limit": 9,
            "parts": [
                {"part": "a-v1", "weight": 2.0, "filters": []},
                {"part": "b-v3", "weight": 1.0, "filters": []},
            ],
        },
        "selection_strategy": "random",
        "seed": 4,
        "parent_dataset_id": "a-v1",
    }


def test_a_recipe_without_a_rule_has_no_filters() -> None:
    source = VersionsSource.model_validate({"kind": "versions", "parts": [{"version": "a-v1"}]})

    assert selection_fields(source)["filters"] == {}
