from collections.abc import Callable
from typing import Any

import pytest

from tunix_assets.cli.command import build_parser
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.registry.pages.published_sets import PublishedDataset, published_sets
from tunix_ml.registry.pages.rows_page import rows_view
from tunix_ml.store import Store


def record(prompt: str) -> dict[str, Any]:
    step = {"i": 0, "type": "t", "content": "So."}
    return {"trace_version": "1.0", "prompt": prompt, "final_answer": "5", "steps": [step]}


@pytest.fixture
def dataset(store: Store, write_entry: Callable[..., CatalogEntry]) -> PublishedDataset:
    """A version of two rows: a mail address taken out of one, a bad line and a repeated one left out."""
    lines = [record("Why?"), b"{<b>bad", record("Ask ada@example.org?"), record("Why?")]
    entry = write_entry(lines, max_reject_rate=0.9, redact={"personal_data": "redact"})
    build_dataset(store, entry, report=lambda line: None)
    (found,) = published_sets(store, most_traces=5).datasets
    return found


def test_every_record_that_was_read_is_accounted_for(dataset: PublishedDataset) -> None:
    view = rows_view(dataset)

    assert view.equation == "4 read = 2 kept + 1 rejected + 0 filtered + 1 duplicates"
    assert [(source.name, source.num_records) for source in view.sources] == [("mine-v1.jsonl", 4)]
    assert (view.num_redacted, view.num_not_shown) == (1, 0)


def test_what_was_left_out_is_named_with_its_place_and_reason(dataset: PublishedDataset) -> None:
    first, second = rows_view(dataset).left_out

    assert (first.source, first.line, first.reason) == ("mine-v1.jsonl", 2, "invalid_json")
    assert (second.line, second.reason) == (4, "duplicate_trace")
    assert second.detail == "the same content as line 1 of mine-v1.jsonl"


def test_the_page_shows_all_of_it(dataset: PublishedDataset, rendered: Callable[..., str]) -> None:
    page = rendered("rows", rows_view(dataset))

    assert "Rows of mine-v1" in page
    assert "invalid_json" in page
    assert "the same content as line 1 of mine-v1.jsonl" in page
    assert "<b>" not in page


def test_the_command_that_the_page_names_is_one(
    dataset: PublishedDataset, rendered: Callable[..., str]
) -> None:
    page = rendered("rows", rows_view(dataset))

    _, command = page.split("uv run tunix-rt ")
    options = build_parser().parse_args(command.partition("</pre>")[0].split())
    assert options.trace == dataset.traces[0].trace_id


def test_a_version_of_which_nothing_was_left_out_says_so(
    store: Store, golden: Any, rendered: Callable[..., str]
) -> None:
    (found,) = published_sets(store, most_traces=5).datasets

    page = rendered("rows", rows_view(found))

    assert "100 read = 100 kept + 0 rejected + 0 filtered + 0 duplicates" in page
    assert "Every record that was read became a row." in page
