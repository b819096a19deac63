from typing import Any

import pytest

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.datasets.card import render_card
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot


@pytest.fixture
def manifest(golden: Snapshot) -> DatasetManifest:
    return Dataset(golden).manifest


def test_the_card_says_what_the_dataset_is_and_rests_on(manifest: DatasetManifest) -> None:
    card = render_card(manifest)

    assert card.startswith("# golden-v2\n\n100 arithmetic and word tasks")
    assert f"* Content: `{manifest.dataset_digest}`" in card
    assert "* Traces: 100 kept of 100 read, 0 rejected, 0 duplicates, 0 filtered" in card
    assert f"| train | {manifest.splits['train']} |" in card
    assert "| word_repetition | 20 |" in card
    assert f"| generator:golden | 100 | `{manifest.sources[0].sha256[:16]}` |" in card


def test_the_published_card_is_the_rendered_manifest(golden: Snapshot, manifest: DatasetManifest) -> None:
    assert golden.file("README.md").read_text(encoding="utf-8") == render_card(manifest)


@pytest.mark.parametrize("name", ["a|b", "a\nb"])
def test_a_name_cannot_break_the_table(manifest: DatasetManifest, name: str) -> None:
    stats: dict[str, Any] = {**manifest.stats, "families": {name: 1}}

    lines = render_card(manifest.model_copy(update={"stats": stats})).splitlines()

    assert ("| a\\|b | 1 |" if "|" in name else "| a b | 1 |") in lines
