import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.audits import record_audit
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.registry.pages.dataset_card import dataset_card
from tunix_ml.registry.pages.published_sets import PublishedDataset, published_sets
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


@pytest.fixture
def dataset(store: Store, golden: Snapshot) -> PublishedDataset:
    """golden-v2, as far as its card shows it."""
    (found,) = published_sets(store, most_traces=5).datasets
    return found


def test_a_card_has_counts_splits_families_sources_and_digests(dataset: PublishedDataset) -> None:
    card = dataset_card(dataset, used_by={})

    facts = dict(card.facts)
    assert (card.name, card.kind, card.license) == ("golden-v2", "dataset", dataset.manifest.license)
    assert (facts["traces"], facts["rejected"]) == ("100", "0")
    splits, families = card.tables
    assert {name: count for name, count, _ in splits.rows} == dataset.manifest.splits
    assert sum(count for _, count, _ in families.rows) == 100
    assert [source.num_records for source in card.sources] == [100]
    assert ("content", dataset.digest) in card.digests
    assert len(card.questions) == 5
    assert card.questions[0].prompt.text == dataset.traces[0].trace.prompt


def test_rejected_lines_are_told_by_what_was_wrong(dataset: PublishedDataset) -> None:
    card = dataset_card(dataclasses.replace(dataset, rejects={"contract": 3}), used_by={})

    assert card.tables[-1].title == "Rejected"
    assert card.tables[-1].rows == (("contract", 3, 1.0),)


def test_the_page_of_a_card_escapes_what_it_shows(
    dataset: PublishedDataset, rendered: Callable[..., str]
) -> None:
    changes: dict[str, Any] = {"description": "<script>alert(1)</script>", "license": "<b>"}
    manifest = dataset.manifest.model_copy(update=changes)
    hostile = PublishedDataset(dataset.name, dataset.digest, manifest, dataset.traces, {"<i>": 1})

    page = rendered("card", dataset_card(hostile, used_by={}))

    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "None is on the leaderboard." in page


def test_a_length_that_is_always_the_same_is_one_number(dataset: PublishedDataset) -> None:
    spread = {"min": 5, "mean": 5.0, "max": 5}
    manifest = dataset.manifest.model_copy(update={"stats": {"num_steps": spread, "families": {}}})
    same = PublishedDataset(dataset.name, dataset.digest, manifest, (), {})

    facts = dict(dataset_card(same, used_by={}).facts)

    assert facts["steps of a trace"] == "5"
    assert "characters of a question" not in facts


def test_quality_checks_and_token_lengths_stand_on_the_card(
    store: Store, golden: Snapshot, tokenized: Snapshot, rendered: Callable[..., str]
) -> None:
    publish_quality(store, "golden-v2")
    record_audit(
        store.slot("dataset", "golden-v2"),
        golden.digest,
        check="counts_agree",
        passed=True,
        description="counts: no problem found",
    )
    (dataset,) = published_sets(store, most_traces=5).datasets

    card = dataset_card(dataset, used_by={})
    tables = {table.title: table for table in card.tables}

    assert tables["Repeats"].rows[0][:2] == ("same question and answer", 0)
    assert sum(count for _, count, _ in tables["Kinds of answers"].rows) == 100
    assert sum(count for _, count, _ in tables["Steps of a trace"].rows) == 100
    lengths = [table for title, table in tables.items() if title.startswith("Tokens of an example")]
    assert sum(count for table in lengths for _, count, _ in table.rows) == 92
    assert card.verdicts == (("counts_agree", "passed", "counts: no problem found"),)
    page = rendered("card", card)
    assert "counts_agree" in page
    assert "rows/golden-v2.html" in page
