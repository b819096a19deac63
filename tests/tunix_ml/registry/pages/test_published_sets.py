from pathlib import Path

import msgspec

from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetRecipe
from tunix_ml.datasets.evaluation_catalog import EvaluationEntry
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.registry.pages.published_sets import published_sets
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def publish_pets(store: Store, folder: Path) -> Snapshot:
    items = [
        EvaluationItem(name, f"Is a {name} a pet?", "true", answer_type="boolean") for name in ("cat", "dog")
    ]
    (folder / "pets.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(items))
    recipe = EvaluationSetRecipe(description="Pets.", license="CC0-1.0", path="pets.jsonl")
    return publish_evaluation_set(store, EvaluationEntry("pets-v1", recipe, folder / "pets-v1.yaml"))


def test_every_dataset_version_and_evaluation_set_is_read(
    store: Store, golden: Snapshot, tmp_path: Path
) -> None:
    snapshot = publish_pets(store, tmp_path)

    sets = published_sets(store, most_traces=3)

    (dataset,) = sets.datasets
    assert (dataset.name, dataset.digest, len(dataset.traces)) == ("golden-v2", golden.digest, 3)
    assert dataset.rejects == {}
    (evaluation_set,) = sets.evaluation_sets
    assert (evaluation_set.name, evaluation_set.digest) == ("pets-v1", snapshot.digest)
    assert [item.item_id for item in evaluation_set.items] == ["cat", "dog"]
    assert sets.problems == {}


def test_an_empty_store_has_nothing(store: Store) -> None:
    sets = published_sets(store, most_traces=3)

    assert (sets.datasets, sets.evaluation_sets, sets.problems) == ((), (), {})


def test_a_slot_in_which_nothing_was_published_yet_is_passed_over(store: Store) -> None:
    store.slot("dataset", "mine-v1").path.mkdir(parents=True)

    assert published_sets(store, most_traces=3).problems == {}


def test_what_is_damaged_is_named_and_does_not_stop_the_rest(
    store: Store, golden: Snapshot, tmp_path: Path
) -> None:
    snapshot = publish_pets(store, tmp_path)
    (golden.path / "manifest.json").write_text("{}")

    sets = published_sets(store, most_traces=3)

    assert [found.digest for found in sets.evaluation_sets] == [snapshot.digest]
    assert list(sets.problems) == ["dataset/golden-v2"]
    assert str(store.home) not in sets.problems["dataset/golden-v2"]
