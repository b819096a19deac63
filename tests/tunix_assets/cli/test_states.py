from collections.abc import Callable

import pytest

from tunix_assets.cli.states import states_of
from tunix_ml.store import RunDirectory, Slot, Store


def test_every_run_has_a_state_under_its_id(store: Store, evaluated: Callable[..., Slot]) -> None:
    run_id = evaluated().key

    assert states_of(store)[run_id]["state"] == "completed"


def test_a_store_without_runs_has_no_states(store: Store) -> None:
    assert states_of(store) == {}


@pytest.mark.parametrize("file", ["config.json"])
def test_a_run_that_is_not_scored_is_not_completed(
    store: Store, finished_run: Callable[..., RunDirectory], file: str
) -> None:
    run = finished_run()

    assert states_of(store)[run.run_id]["state"] != "completed"
