from tunix_ml.registry.pages.sweeps import published_sweeps
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.tuning.trials import read_trials


def test_a_sweep_that_has_ended_is_read_back(store: Store, swept: Snapshot) -> None:
    found = published_sweeps(store)

    (sweep,) = found.sweeps
    assert found.problems == ()
    assert sweep.report.best == 2
    assert list(sweep.space) == ["learning_rate", "optimizer"]
    assert list(sweep.trials) == read_trials(swept)


def test_one_under_way_has_no_page_yet(store: Store, swept: Snapshot) -> None:
    (slot,) = [slot for slot in store.slots() if slot.table == "trials"]
    with slot.publish() as draft:
        (draft.path / "trials.parquet").write_bytes(swept.file("trials.parquet").read_bytes())

    assert published_sweeps(store).sweeps == ()


def test_a_damaged_one_is_named_without_the_place_of_the_store(store: Store, swept: Snapshot) -> None:
    (slot,) = [slot for slot in store.slots() if slot.table == "trials"]
    (slot.resolve().path / "sweep.json").write_text("{}")

    found = published_sweeps(store)

    assert found.sweeps == ()
    assert "$TUNIX_HOME" in found.problems[0]
    assert "sweep.json" in found.problems[0]


def test_a_store_without_sweeps_has_none(store: Store) -> None:
    assert published_sweeps(store).sweeps == ()
