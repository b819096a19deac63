import math
import os
import signal
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.training.stops import TimeBudget, stop_requests, stopped_message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_becomes_a_request_however_often_it_comes(number: signal.Signals) -> None:
    with stop_requests() as stop:
        assert stop.name is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    assert stop.name == number.name


def test_what_a_signal_did_before_it_does_after() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    with stop_requests():
        pass

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_no_request_comes_to_another_thread() -> None:
    names: list[str | None] = []

    def work() -> None:
        with stop_requests() as stop:
            names.append(stop.name)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert names == [None]


def test_a_budget_counts_from_the_start_of_the_session() -> None:
    budget = TimeBudget(minutes=2.0, started_at=100.0, clock=lambda: 130.0)

    assert budget.left_s() == 90.0


def test_without_a_budget_there_is_always_time() -> None:
    assert TimeBudget(minutes=None, started_at=0.0).left_s() == math.inf


@pytest.mark.parametrize(
    ("step", "where"),
    [(13, "after step 13/600, which is saved"), (0, "before its first step")],
)
def test_a_stopped_run_says_how_to_go_on(step: int, where: str) -> None:
    message = stopped_message("a-v1.tiny.0123456789", "SIGTERM", step=step, num_steps=600)

    assert message == (
        f"a-v1.tiny.0123456789 stopped {where}: SIGTERM was received; the same command goes on from there"
    )


NOW = datetime(2027, 1, 31, 18, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "minutes"),
    [
        ({}, None),
        ({"time_budget_minutes": 5.0}, 5.0),
        ({"deadline": "2027-01-31T18:03:00+00:00"}, 3.0),
        ({"deadline": "2027-01-31T19:03:00+01:00", "time_budget_minutes": 5.0}, 3.0),
        ({"deadline": "2027-01-31T18:09:00+00:00", "time_budget_minutes": 5.0}, 5.0),
    ],
)
def test_a_session_has_its_budget_or_the_time_to_its_deadline(
    settings: dict[str, Any], minutes: float | None
) -> None:
    budget = TimeBudget.of_session(ExecutionConfig(**settings), started_at=time.perf_counter(), now=NOW)

    assert budget.minutes == (None if minutes is None else pytest.approx(minutes, abs=0.01))


def test_a_deadline_that_has_passed_leaves_no_time() -> None:
    execution = ExecutionConfig(deadline="2027-01-31T17:00:00+00:00")

    assert TimeBudget.of_session(execution, started_at=time.perf_counter(), now=NOW).left_s() < 0


@pytest.mark.parametrize("deadline", ["soon", "2027-01-31T18:00:00"])
def test_a_deadline_without_its_offset_is_refused(deadline: str) -> None:
    with pytest.raises(ValidationError, match="is no time with its offset"):
        ExecutionConfig(deadline=deadline)
