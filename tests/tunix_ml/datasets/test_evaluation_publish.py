from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.canonical import file_sha256
from tunix_ml.contracts.evaluation_set import from_table
from tunix_ml.datasets.evaluation_catalog import load_evaluation_recipe
from tunix_ml.datasets.evaluation_items import EvaluationSetRefused
from tunix_ml.datasets.evaluation_publish import (
    items_digest,
    publish_catalog,
    publish_evaluation_set,
    read_manifest,
)
from tunix_ml.datasets.evaluation_set import evaluation_set_slot, read_published_items
from tunix_ml.parquet import read_table
from tunix_ml.slot import VersionConflict
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]
ITEMS: list[dict[str, Any]] = [
    {"item_id": "b", "prompt": "2 + 3?", "final_answer": "5", "answer_type": "number", "unit": "km"},
    {
        "item_id": "a",
        "prompt": "Which? A) a cat B) a dog",
        "final_answer": "A",
        "answer_type": "choice",
        "choices": {"A": "a cat", "B": "a dog"},
        "steps": ["It meows."],
        "section": "animals",
        "cluster": "pets",
    },
]


@pytest.fixture
def write(store: Store) -> Callable[..., Path]:
    """A function that writes a recipe of the user's own and its items."""

    def write_set(items: list[dict[str, Any]], *, name: str = "mine-v1", path: str = "") -> Path:
        folder = store.home / "recipes" / "evaluation"
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / f"{name}.jsonl"
        source.write_bytes(msgspec.json.Encoder().encode_lines(items))
        recipe = {"description": "Two questions.", "license": "CC0-1.0", "path": path or source.name}
        (folder / f"{name}.yaml").write_bytes(msgspec.json.encode(recipe))
        return source

    return write_set


@pytest.fixture
def publish(store: Store, write: Callable[..., Path]) -> Publish:
    """A function that writes items and publishes them as `mine-v1`."""

    def write_and_publish(items: list[dict[str, Any]]) -> Snapshot:
        write(items)
        return publish_evaluation_set(store, load_evaluation_recipe("mine-v1", store.home))

    return write_and_publish


def test_table_and_lines_hold_the_items_by_id(publish: Publish) -> None:
    snapshot = publish(ITEMS)

    items = read_published_items(snapshot)
    assert [item.item_id for item in items] == ["a", "b"]
    assert (items[0].choices, items[0].cluster) == ({"A": "a cat", "B": "a dog"}, "pets")
    assert from_table(read_table(snapshot.file("items.parquet"))) == items


def test_the_manifest_counts_the_items_and_names_their_source(publish: Publish, store: Store) -> None:
    snapshot = publish(ITEMS)

    manifest = read_manifest(snapshot)
    assert (manifest.name, manifest.n_items, manifest.num_clusters) == ("mine-v1", 2, 2)
    assert manifest.sections == {"all": 1, "animals": 1}
    assert manifest.answer_types == {"choice": 1, "number": 1}
    assert manifest.content_digest == snapshot.digest == items_digest(read_published_items(snapshot))
    source = store.home / "recipes" / "evaluation" / "mine-v1.jsonl"
    assert (manifest.source, manifest.source_sha256) == (source.name, file_sha256(source))


def test_the_card_is_for_a_person_to_read(publish: Publish) -> None:
    card = publish(ITEMS).file("README.md").read_text()

    assert card.startswith("# mine-v1\n\nTwo questions.\n")
    assert "    number: 5 km" in card


def test_the_same_items_in_another_order_are_the_same_content(publish: Publish) -> None:
    assert publish(ITEMS).path == publish(ITEMS[::-1]).path


@pytest.mark.parametrize("changes", [{"prompt": "2 + 4?"}, {"steps": ["2 + 3 = 5"]}, {"difficulty": "easy"}])
def test_a_set_never_changes_its_items(publish: Publish, changes: dict[str, Any]) -> None:
    publish(ITEMS)

    with pytest.raises(VersionConflict, match=r"'mine-v1' has content .* make it a new version"):
        publish([{**ITEMS[0], **changes}, ITEMS[1]])


def test_a_set_with_a_bad_line_is_not_published(publish: Publish, store: Store) -> None:
    with pytest.raises(EvaluationSetRefused):
        publish([*ITEMS, ITEMS[0]])
    assert evaluation_set_slot(store, "mine-v1").pointer() is None


# The whole catalog


def test_every_set_whose_source_is_there_is_published(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GSM8K_DIR", raising=False)
    reports: list[str] = []

    catalog = publish_catalog(store, report=reports.append)

    assert {"eval-v1", "eval-v2"} <= set(catalog.published)
    assert "GSM8K_DIR, which is not set" in catalog.unavailable["gsm8k-test-v1"]
    assert catalog.refused == {}
    assert "evaluation set eval-v1 is published" in reports
    assert any(report.startswith("evaluation set gsm8k-test-v1 is not available") for report in reports)


def test_a_broken_set_stops_no_other(store: Store, write: Callable[..., Path]) -> None:
    write([ITEMS[0], ITEMS[0]], name="a-broken-v1")
    write(ITEMS, name="b-elsewhere-v1", path="nowhere.jsonl")
    write(ITEMS, name="mine-v1")

    catalog = publish_catalog(store, report=print)

    assert "mine-v1" in catalog.published
    assert set(catalog.refused) == {"a-broken-v1", "b-elsewhere-v1"}
    assert "line 2: item_id is 'b', as on line 1" in catalog.refused["a-broken-v1"]
    assert "nowhere.jsonl" in catalog.refused["b-elsewhere-v1"]
