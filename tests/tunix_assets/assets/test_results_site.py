"""The asset `results_site`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_checks.catalog import blocking_checks
from tunix_assets.assets.results_site import results_site
from tunix_assets.resources import StoreResource
from tunix_ml.audits import record_audit
from tunix_ml.registry.leaderboard import publish_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.store import Store


@pytest.fixture
def materialize(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dg.ExecuteInProcessResult]:
    """A function that materializes the site of the test's store."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    return lambda: dg.materialize([results_site], resources={"store": StoreResource()}, raise_on_error=False)


def test_its_metadata_leads_to_the_page_and_counts_what_there_is(
    store: Store, evaluated: Callable[..., Slot], materialize: Callable[[], dg.ExecuteInProcessResult]
) -> None:
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="poor", share_right=0.25)
    digest = publish_leaderboard(store, required_checks=()).digest
    for check in blocking_checks("leaderboard"):
        record_audit(store.slot("leaderboard", "all"), digest, check=check, passed=True, description="fine")

    result = materialize()

    assert result.success
    (event,) = result.asset_materializations_for_node("results_site")
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert Path(str(metadata["page"])).read_text(encoding="utf-8").startswith("<!doctype html>")
    counted = {name: metadata[name] for name in ("runs", "comparisons", "datasets", "evaluation_sets")}
    assert counted == {"runs": 2, "comparisons": 1, "datasets": 1, "evaluation_sets": 0}


def test_a_leaderboard_that_was_not_checked_is_refused_in_a_sentence(
    store: Store, materialize: Callable[[], dg.ExecuteInProcessResult]
) -> None:
    publish_leaderboard(store, required_checks=())

    failure = materialize().failure_data_for_node("results_site")

    assert failure is not None
    assert failure.user_failure_data is not None
    assert "has not been through the check" in str(failure.user_failure_data.description)
