"""The gate: a regression fails the job `validate_only` where its tag asks for it, else it is a warning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_assets.definitions import defs
from tunix_ml.slot import Slot
from tunix_ml.store import Store

CHECK = "score_has_not_regressed"


@pytest.fixture
def regressed(
    store: Store, evaluated: Callable[..., Slot], monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], str]:
    """A function that validates golden-v2, whose last run is the worst, and says what failed."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    evaluated(recipe="middle", share_right=0.5)
    evaluated(recipe="best", share_right=1.0)
    evaluated(recipe="poor", share_right=0.25)

    def validate(tags: dict[str, str]) -> str:
        result: Any = defs.resolve_job_def("validate_only").execute_in_process(
            partition_key="golden-v2", tags=tags, raise_on_error=False
        )
        failure = result.failure_data_for_node("run_all_checks")
        return str(failure.user_failure_data.description) if failure else ""

    return validate


def test_a_regression_is_an_error_where_the_tag_asks_for_it(regressed: Any) -> None:
    assert CHECK in regressed({"tunix/gate": "error"})


def test_a_regression_is_a_warning_elsewhere(regressed: Any) -> None:
    assert CHECK not in regressed({})


def test_the_gate_of_the_makefile_asks_for_it() -> None:
    text = (Path(__file__).parents[2] / "Makefile").read_text()

    assert "validate_only -c configs/plain.yaml --tags $(GATE)" in text
    assert '"tunix/gate": "error"' in text
