from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from asset_checks import dataset as facts
from asset_checks.dataset_quality import duplicates_stay_in_one_split
from asset_checks.outcome import Subject
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.quality.publish import publish_quality
from tunix_ml.datasets.read import Dataset
from tunix_ml.datasets.splits import assign_split
from tunix_ml.store import Store
from tunix_ml.traces.prompts import prompt_fraction

Write = Callable[..., CatalogEntry]
SHARES = {"train": 0.4, "validation": 0.3, "test": 0.3}
STORY = (
    "A gardener waters the roses of her neighbour {who} every morning before work and counts the buds that"
    " have opened at night in the bed beside the old garden gate and in the pots on the balcony of the house"
)
NAMES = ("Ada", "Bea", "Cleo", "Dora", "Emma", "Fay")


def record(prompt: str, answer: str = "5") -> dict[str, Any]:
    step = {"i": 0, "type": "t", "content": f"It is {answer}."}
    return {"trace_version": "1.0", "prompt": prompt, "final_answer": answer, "steps": [step]}


def alone(number: int) -> dict[str, Any]:
    return record(" ".join(f"word{number}x{place}" for place in range(12)))


@pytest.fixture
def records() -> list[dict[str, Any]]:
    planted = [record(STORY.format(who=name)) for name in NAMES]
    return [*planted, record(STORY.format(who="Ada").upper(), "seven"), *map(alone, range(40))]


def by_group(dataset: Dataset) -> tuple[set[str], dict[str, str]]:
    """Return the splits of the planted rows, and the split of each other one by its prompt."""
    splits: dict[bool, dict[str, str]] = defaultdict(dict)
    for row in dataset.rows:
        splits["gardener" in row.trace.prompt.lower()][row.trace.prompt] = row.split
    return set(splits[True].values()), splits[False]


def built(entry: CatalogEntry, store: Store) -> Dataset:
    return Dataset(build_dataset(store, entry, report=lambda line: None))


def test_planted_near_duplicates_part_by_their_prompts_and_stay_together_by_their_group(
    store: Store, tmp_path: Any, write_entry: Write, records: list[dict[str, Any]]
) -> None:
    parted, alone_before = by_group(built(write_entry(records, splits=SHARES), store))
    entry = write_entry(records, splits=SHARES, split_by="near_duplicates")
    together, alone_after = by_group(built(entry, Store(tmp_path / "other")))

    decisive = min((STORY.format(who=name) for name in NAMES), key=prompt_fraction)
    assert len(parted) > 1
    assert together == {assign_split(decisive, SHARES)}  # type: ignore[arg-type]
    assert alone_after == alone_before


def checks(store: Store, dataset: Dataset) -> Iterator[tuple[str, bool]]:
    slot = store.slot("dataset", "mine-v1")
    subject = Subject(store, "mine-v1", slot, dataset.snapshot)
    for check in (facts.digest_matches_content, facts.counts_agree, facts.splits_share_no_prompt):
        yield check.__name__, check(subject).passed
    quality = publish_quality(store, "mine-v1")
    subject = Subject(store, "mine-v1", store.slot("dataset_quality", "mine-v1"), quality)
    yield "duplicates_stay_in_one_split", duplicates_stay_in_one_split(subject).passed


def test_a_regrouped_version_passes_every_check_of_content_and_splits(
    store: Store, write_entry: Write, records: list[dict[str, Any]]
) -> None:
    dataset = built(write_entry(records, splits=SHARES, split_by="near_duplicates"), store)

    assert dict(checks(store, dataset)) == {
        "digest_matches_content": True,
        "counts_agree": True,
        "splits_share_no_prompt": True,
        "duplicates_stay_in_one_split": True,
    }
    assert dataset.manifest.split_by == "near_duplicates"
    assert "A group stays in one split" in dataset.snapshot.file("README.md").read_text()


def test_the_order_of_the_rows_does_not_matter(
    store: Store, tmp_path: Any, write_entry: Write, records: list[dict[str, Any]]
) -> None:
    digests = {
        built(
            write_entry(rows, splits=SHARES, split_by="near_duplicates"), Store(tmp_path / name)
        ).snapshot.digest
        for name, rows in (("a", records), ("b", records[::-1]))
    }

    assert len(digests) == 1


def test_versions_whose_splits_are_kept_cannot_be_regrouped() -> None:
    source = {"kind": "versions", "parts": [{"version": "a-v1"}]}

    with pytest.raises(ValidationError, match="needs `splits: drawn`"):
        DatasetRecipe(description="d", license="l", source=source, split_by="near_duplicates")
