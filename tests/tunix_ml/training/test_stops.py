import math
import os
import signal
import threading

import pytest

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
