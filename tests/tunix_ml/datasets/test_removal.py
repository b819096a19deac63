from collections.abc import Callable
from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.datasets.adding import add_to_catalog
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import dataset_versions, load_recipe
from tunix_ml.datasets.removal import StillUsed, plan_removal, remove_dataset
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store

GOLDEN = Path(__file__).parents[3] / "data" / "golden-v1.jsonl"


@pytest.fixture
def own(store: Store, tmp_path: Path) -> str:
    """A version of the user's own, built from a dropped file."""
    path = tmp_path / "mine-v1.jsonl"
    path.write_bytes(GOLDEN.read_bytes())
    add_to_catalog(path, store.home)
    build_dataset(store, load_recipe("mine-v1", store.home), report=lambda line: None)
    return "mine-v1"


def test_an_own_version_goes_with_its_recipe_and_its_file_is_set_aside(store: Store, own: str) -> None:
    removal = remove_dataset(store, own)

    assert [slot.table for slot in removal.slots] == ["dataset"]
    assert own not in dataset_versions(store.home)
    assert store.slot("dataset", own).pointer() is None
    (folder,) = (store.home / "removed").iterdir()
    assert (folder / "mine-v1.yaml").is_file()
    assert (folder / "sources" / "mine-v1.jsonl").read_bytes() == GOLDEN.read_bytes()


def test_what_was_made_of_it_alone_goes_with_it_and_a_shipped_recipe_stays(
    store: Store, tokenized: Snapshot
) -> None:
    removal = remove_dataset(store, "golden-v2")

    assert [slot.table for slot in removal.slots] == ["dataset", "sft_export", "tokenized_examples"]
    assert removal.files == ()
    assert "golden-v2" in dataset_versions(store.home)


def test_a_version_that_a_run_rests_on_stays_and_the_run_is_named(
    store: Store, finished_run: Callable[..., RunDirectory]
) -> None:
    run_id = finished_run().run_id

    with pytest.raises(StillUsed, match=r"golden-v2 is not removed: .*run golden-v2") as caught:
        remove_dataset(store, "golden-v2")

    assert f"run {run_id}" in str(caught.value)
    assert f"predictions/golden-v2.test of {run_id}" not in plan_removal(store, "golden-v2").used_by
    assert store.slot("dataset", "golden-v2").pointer()


def test_a_version_that_another_one_was_mixed_from_stays(store: Store, golden: Snapshot) -> None:
    with store.slot("dataset", "mixed-v1").publish(parents={"dataset:golden-v2": golden.digest}) as draft:
        (draft.path / "rows").write_text("mixed")

    assert plan_removal(store, "golden-v2").used_by == ("dataset of mixed-v1",)


def test_the_site_that_shows_it_does_not_keep_it(store: Store, golden: Snapshot) -> None:
    with store.slot("results_site", "all").publish(parents={"dataset/golden-v2": golden.digest}) as draft:
        (draft.path / "index.html").write_text("page")

    assert plan_removal(store, "golden-v2").used_by == ()


def test_what_is_not_there_cannot_be_removed(store: Store) -> None:
    with pytest.raises(StillUsed, match="nothing of 'golden-v2' to remove"):
        plan_removal(store, "golden-v2")
    with pytest.raises(ContractError):
        plan_removal(store, "../golden")
