"""The state of a run and the facts about it."""

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.run_state import ENDED, STOPPED, RunState, StatusFact


def test_a_fact_comes_back_from_its_bytes() -> None:
    fact = StatusFact(
        orchestration_run_id="a",
        status="failed",
        at="2026-01-01T00:00:00+00:00",
        assets=("checkpoint",),
        reason="the loss is not finite",
    )

    assert StatusFact.parse(fact.to_json(), subject="a") == fact


def test_what_stopped_has_ended() -> None:
    assert STOPPED < ENDED


def test_a_state_of_another_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="state"):
        RunState.model_validate(
            {
                "run_id": "a",
                "dataset_version": "a-v1",
                "state": "done",
                "reason": None,
                "since": None,
                "orchestration_run_id": None,
            }
        )
