"""From what a model was trained on and asked, back to the file and line."""

from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.evaluation_publish import publish_catalog
from tunix_ml.datasets.lineage import (
    ItemOrigin,
    TraceOrigin,
    UnknownRow,
    origin_of_example,
    origin_of_item,
    origin_of_prediction,
    origin_of_trace,
    origins_of_trace,
    places_of_items,
)
from tunix_ml.datasets.read import Dataset
from tunix_ml.evaluation.report import predictions_slot, read_predictions
from tunix_ml.exports.render import read_export
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import RunDirectory, Store

LINES = 40


def record(number: int) -> dict[str, Any]:
    steps = [{"i": 0, "type": "calculate", "content": f"{number} + 1 = {number + 1}."}]
    return {"trace_version": "1.0", "prompt": f"Q{number}?", "final_answer": str(number + 1), "steps": steps}


@pytest.fixture
def built(store: Store, write_entry: Callable[..., CatalogEntry]) -> tuple[CatalogEntry, Snapshot]:
    """Forty traces of a file; a blank line and a broken one stand before the last."""
    rows: list[Any] = [record(number) for number in range(LINES)]
    entry = write_entry([*rows[:-1], b"", b"broken", rows[-1]], max_reject_rate=0.5)
    return entry, build_dataset(store, entry, report=lambda line: None)


def test_every_trace_leads_to_the_line_that_holds_it(
    store: Store, built: tuple[CatalogEntry, Snapshot]
) -> None:
    entry, snapshot = built
    file = entry.path.with_suffix(".jsonl")
    lines = file.read_text(encoding="utf-8").splitlines()

    for row in Dataset(snapshot).rows:
        origin = origin_of_trace(store, "mine-v1", row.trace_id)

        assert f'"{row.trace.prompt}"' in lines[origin.source_line - 1]
        assert (origin.source, origin.source_sha256) == (file.name, file_sha256(file))
        assert origin.row == row


def test_an_origin_says_so_in_a_sentence(store: Store, built: tuple[CatalogEntry, Snapshot]) -> None:
    row = next(row for row in Dataset(built[1]).rows if row.trace.prompt == f"Q{LINES - 1}?")

    (origin,) = origins_of_trace(store, row.trace_id)

    assert origin.sentence() == (
        f"trace {row.trace_id} of mine-v1 ({row.split}, content {built[1].digest[:16]})"
        f" is line {LINES + 2} of mine-v1.jsonl"
    )


def test_every_exported_example_leads_to_its_trace(store: Store, exported: Snapshot) -> None:
    examples = read_export(exported, "training_example", "train")

    origins = [origin_of_trace(store, "golden-v2", example["id"]) for example in examples[:5]]

    assert all(
        origin.row.trace.prompt in example["prompt"]
        for origin, example in zip(origins, examples, strict=False)
    )
    assert {origin.source for origin in origins} == {"generator:golden"}


def test_an_example_and_a_prediction_of_a_run_lead_to_what_it_was_made_from(
    store: Store, finished_run: Callable[..., RunDirectory], golden: Snapshot
) -> None:
    run = finished_run()
    prediction = read_predictions(predictions_slot(run, "golden-v2.test")).rows[0]
    example = Dataset(golden).split("train")[0]

    asked = origin_of_prediction(store, run.run_id, "golden-v2.test", prediction.item_id)
    learned = origin_of_example(store, run.run_id, example.trace_id)

    assert isinstance(asked, TraceOrigin)
    assert (asked.row.trace_id, asked.row.split) == (prediction.item_id, "test")
    assert (asked.dataset_digest, learned.dataset_digest) == (golden.digest, golden.digest)
    assert learned.row == example


def test_an_item_of_a_published_set_leads_to_its_file(store: Store) -> None:
    snapshot = publish_catalog(store, report=lambda line: None).published["eval-v1"]

    origin = origin_of_item(store, "eval-v1", "eval-v1-003")

    assert isinstance(origin, ItemOrigin)
    assert (origin.source, origin.set_digest) == ("eval-v1.jsonl", snapshot.digest)
    assert origin.sentence() == (
        f"item eval-v1-003 of eval-v1 (content {snapshot.digest[:16]}) stands in eval-v1.jsonl"
    )


def test_what_is_not_there_has_no_origin(store: Store, golden: Snapshot) -> None:
    publish_catalog(store, report=lambda line: None)

    with pytest.raises(UnknownRow, match=r"golden-v2 .* has no trace 'nobody'"):
        origin_of_trace(store, "golden-v2", "nobody")
    with pytest.raises(UnknownRow, match="no published dataset version"):
        origins_of_trace(store, "nobody")
    with pytest.raises(UnknownRow, match="'eval-v1' has no item 'nobody'"):
        origin_of_item(store, "eval-v1", "nobody")
    with pytest.raises(NotPublished, match="there is no run"):
        origin_of_example(store, "golden-v2.none.0123456789", "nobody")
    with pytest.raises(NotPublished):
        origin_of_trace(store, "other-v1", "nobody")


def test_the_places_of_a_held_out_split_are_those_of_its_traces(store: Store, golden: Snapshot) -> None:
    places = places_of_items(store, "golden-v2.test")

    expected = {row.trace_id: (row.source, row.source_line) for row in Dataset(golden).split("test")}
    assert places == expected
    assert places_of_items(store, "eval-v1") == {}
