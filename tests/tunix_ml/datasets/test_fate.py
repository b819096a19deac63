from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.fate import UnknownLine, fates_of_line
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store


def trace(number: int) -> dict[str, Any]:
    return {
        "trace_version": "1.0",
        "prompt": f"{number}?",
        "final_answer": str(number),
        "steps": [{"i": 0, "type": "reasoning", "content": f"{number}"}],
    }


def test_a_line_is_followed_to_the_runs_that_learned_it_or_were_asked_it(
    store: Store, golden: Snapshot, finished_run: Callable[..., RunDirectory]
) -> None:
    run_id = finished_run().run_id
    rows = list(published_rows(golden))
    first = {row.split: row for row in reversed(rows)}

    (learned,) = fates_of_line(store, first["train"].source, first["train"].source_line)
    (asked,) = fates_of_line(store, first["test"].source, first["test"].source_line)

    assert (learned.trace_id, learned.trained, learned.asked) == (first["train"].trace_id, (run_id,), ())
    assert (asked.trace_id, asked.trained, asked.asked) == (first["test"].trace_id, (), (run_id,))
    assert learned.exported_as == ("sft_export", "tokenized_examples")
    assert asked.exported_as == ("sft_export",)
    assert f"trained on by {run_id}" in learned.sentence()
    assert f"asked of {run_id}" in asked.sentence()


def test_a_trace_that_nothing_was_made_of_says_so(store: Store, golden: Snapshot) -> None:
    row = next(published_rows(golden))

    (fate,) = fates_of_line(store, row.source, row.source_line)

    assert fate.sentence().endswith("nothing uses it yet")


def test_an_export_of_an_earlier_content_does_not_hold_it(
    store: Store, exported: Snapshot, golden: Snapshot
) -> None:
    with store.slot("sft_export", "golden-v2").publish(parents={"dataset": "0" * 64}) as draft:
        (draft.path / "file").write_text("another")
    row = next(published_rows(golden))

    (fate,) = fates_of_line(store, row.source, row.source_line)

    assert fate.exported_as == ()


def test_a_rejected_line_has_its_reason(store: Store, write_entry: Callable[..., CatalogEntry]) -> None:
    records = [*map(trace, range(40)), {"prompt": "no answer"}]
    build_dataset(store, write_entry(records, max_reject_rate=0.5), report=lambda line: None)

    (fate,) = fates_of_line(store, "mine-v1.jsonl", 41)

    assert (fate.outcome, fate.trace_id) == ("rejected", None)
    assert fate.detail.startswith("contract: ")
    assert "it was rejected: contract" in fate.sentence()


def test_a_row_that_the_recipe_left_out_has_its_reason(
    store: Store, golden: Snapshot, write_entry: Callable[..., CatalogEntry]
) -> None:
    source = {
        "kind": "versions",
        "parts": [{"version": "golden-v2"}],
        "filters": [{"field": "num_steps", "op": "at_most", "value": 2}],
    }
    entry = write_entry([], version="short-v1")
    plain = entry.recipe.model_dump(mode="json", exclude_none=True) | {"source": source}
    recipe = type(entry.recipe).model_validate(plain)
    built = build_dataset(store, entry._replace(recipe=recipe), report=lambda line: None)
    assert built
    import pyarrow.parquet as pq

    file = store.slot("dataset", "short-v1").resolve().file("filtered.parquet")
    row = pq.read_table(file).to_pylist()[0]

    fates = fates_of_line(store, row["source"], row["line"])

    (fate,) = [fate for fate in fates if fate.dataset_version == "short-v1"]
    assert (fate.outcome, fate.trace_id) == ("left out", row["trace_id"])


def test_a_line_that_nobody_read_is_unknown(store: Store, golden: Snapshot) -> None:
    with pytest.raises(UnknownLine, match=r"line 100000 of 'golden-v2\.jsonl'"):
        fates_of_line(store, "golden-v2.jsonl", 100_000)
