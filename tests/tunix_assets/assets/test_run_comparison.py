"""The asset `run_comparison`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.assets.run_comparison import run_comparison
from tunix_assets.resources import StoreResource
from tunix_ml.evaluation.comparison.publish import read_comparison
from tunix_ml.slot import Slot
from tunix_ml.store import Store


@pytest.fixture
def compare(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dg.ExecuteInProcessResult]:
    """A function that materializes the comparison of two runs of the test's store."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))

    def materialize(**config: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [run_comparison],
            run_config={"ops": {"run_comparison": {"config": config}}},
            resources={"store": StoreResource()},
            raise_on_error=False,
        )

    return materialize


def test_two_runs_are_compared_and_the_verdict_is_shown(
    store: Store, evaluated: Callable[..., Slot], compare: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    good, poor = evaluated(recipe="good", share_right=1.0), evaluated(recipe="poor", share_right=0.25)

    result = compare(run_a=good.key, run_b=poor.key)

    assert result.success
    (event,) = result.asset_materializations_for_node("run_comparison")
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    assert str(metadata["verdict"]).startswith("A is better by 75.0 points")
    assert (metadata["items"], metadata["difference"]) == (8, 0.75)
    assert "| golden-v2.test | 8 | 100.0 % | 25.0 % | +75.0 points |" in str(metadata["parts"])
    published = read_comparison(store.slot("run_comparison", "all").resolve())
    assert published.run_a.run_id == good.key
    assert Path(str(metadata["path"])).is_dir()


def test_a_run_that_is_not_there_fails_in_a_sentence(
    store: Store, evaluated: Callable[..., Slot], compare: Callable[..., dg.ExecuteInProcessResult]
) -> None:
    result = compare(run_a=evaluated().key, run_b="golden-v2.nobody.0123456789")

    failure = result.failure_data_for_node("run_comparison")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "have no reports by 'answers'" in str(failure.user_failure_data.description)
