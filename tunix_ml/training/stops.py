"""What ends a session before its last step: a signal, or the time it was given."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import ExecutionConfig

_SIGNALS = (signal.SIGTERM, signal.SIGINT)  # Kubernetes and Slurm send the one, Dagster and Ctrl-C the other
_SECONDS_PER_MINUTE = 60


class TrainingStopped(TunixError):
    """The process was asked to end; its run can be gone on with."""


@dataclass
class StopRequest:
    """A request to end, from outside.

    Attributes:
        name: of the signal, None before one has come.
    """

    name: str | None = None

    def make(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signal calls it
        """Note a signal. It may come several times, to the process and to its group."""
        self.name = signal.Signals(number).name


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a request while the block runs, so that a step is never cut in two.

    Only a process's main thread can do so; in another one no request comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.make) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class TimeBudget:
    """The wall time of one session.

    Attributes:
        minutes: None for as many as it takes.
        started_at: when it began, in seconds of the clock.
        clock: monotonic seconds.
    """

    minutes: float | None
    started_at: float
    clock: Callable[[], float] = field(default=time.perf_counter, repr=False)

    @classmethod
    def of_session(cls, execution: ExecutionConfig, *, started_at: float, now: datetime) -> "TimeBudget":
        """Return the time of a session: its budget, or what is left until its deadline if that is less."""
        minutes = execution.time_budget_minutes
        if execution.deadline:
            left = (datetime.fromisoformat(execution.deadline) - now).total_seconds()
            since_start = time.perf_counter() - started_at
            until = (left + since_start) / _SECONDS_PER_MINUTE
            minutes = until if minutes is None else min(minutes, until)
        return cls(minutes, started_at)

    def left_s(self) -> float:
        """Return the seconds left, below zero when they are used up."""
        if self.minutes is None:
            return math.inf
        return self.minutes * _SECONDS_PER_MINUTE - (self.clock() - self.started_at)


def stopped_message(run_id: str, signal_name: str, *, step: int, num_steps: int) -> str:
    """Return what to tell when a run was ended from outside."""
    where = f"after step {step}/{num_steps}, which is saved" if step else "before its first step"
    return f"{run_id} stopped {where}: {signal_name} was received; the same command goes on from there"
