"""The page of all runs."""

from collections.abc import Callable

import pytest

from tunix_ml.contracts.run_state import StatusFact
from tunix_ml.registry.pages.runs_page import runs_view
from tunix_ml.slot import Slot
from tunix_ml.status_facts import record_status
from tunix_ml.store import Store


@pytest.fixture
def failed(store: Store) -> StatusFact:
    """A dataset that could not be built."""
    fact = StatusFact(
        orchestration_run_id="d1",
        status="failed",
        at="2026-01-01T00:00:00+00:00",
        assets=("dataset",),
        dataset_version="mine-v1",
        failed_asset="dataset",
        reason=f"{store.home}/recipes/mine-v1.yaml is not YAML",
        next_step="mend it",
    )
    record_status(store, fact)
    return fact


def test_without_runs_and_failures_there_is_nothing_to_show(store: Store) -> None:
    assert runs_view(store, with_page=()) == ((), (), ())


def test_a_run_is_shown_with_its_state_and_its_page(store: Store, evaluated: Callable[..., Slot]) -> None:
    run_id = evaluated().key

    (line,) = runs_view(store, with_page=[run_id]).runs

    assert (line.state.state, line.chip, line.page) == ("completed", "valid", f"runs/{run_id}.html")
    assert runs_view(store, with_page=()).runs[0].page is None
    assert runs_view(store, with_page=()).counts == (("completed", 1),)


def test_a_failure_says_why_without_the_place_of_the_store(store: Store, failed: StatusFact) -> None:
    (line,) = runs_view(store, with_page=()).failures

    assert (line.fact, line.what, line.next_step) == (failed, "dataset", "mend it")
    assert str(store.home) not in line.reason.text
    assert "mine-v1.yaml is not YAML" in line.reason.text


def test_a_failure_of_no_asset_names_what_was_to_be_made(store: Store, failed: StatusFact) -> None:
    killed = failed.model_copy(update={"orchestration_run_id": "d2", "failed_asset": None})
    record_status(store, killed.model_copy(update={"assets": ("dataset", "sft_export")}))

    assert runs_view(store, with_page=()).failures[0].what == "dataset, sft_export"
