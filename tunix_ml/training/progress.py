"""How far a run has come, and how fast: the counters between the steps and their report."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import CheckpointMeta, MetricsRow, RunIdentity
from tunix_ml.training.step import StepMetrics

Clock = Callable[[], float]


class NonFiniteLoss(TunixError, ArithmeticError):
    """The loss or the gradient is no longer a number; the run stops at its last checkpoint."""


class StepValues(NamedTuple):
    """A step's metrics as Python numbers, all finite."""

    loss: float
    grad_norm: float
    learning_rate: float


@dataclass
class Progress:
    """The counters of a run, carried on from a checkpoint.

    Attributes:
        first_loss: of the run's first step, NaN before it.
        num_tokens_seen: tokens trained on so far, padding left out.
        train_time_s: wall seconds of the sessions before this one.
        clock: monotonic seconds.
    """

    first_loss: float = math.nan
    num_tokens_seen: int = 0
    train_time_s: float = 0.0
    clock: Clock = time.perf_counter

    def __post_init__(self) -> None:
        self._session_start = self.clock()
        self.start_window()

    @classmethod
    def carried_on(cls, meta: CheckpointMeta | None) -> "Progress":
        """Return the counters as a checkpoint has left them, or those of a fresh run."""
        return cls(meta.first_loss, meta.num_tokens_seen, meta.train_time_s) if meta else cls()

    def start_window(self, *, at: float | None = None) -> None:
        """Begin a new stretch of steps to take a mean over, now or at a time that the clock has shown."""
        self._window_start = self.clock() if at is None else at
        self._window_steps = 0
        self._window_tokens = 0

    def count(self, num_tokens: int) -> None:
        """Add one step over some tokens."""
        self._window_steps += 1
        self._window_tokens += num_tokens
        self.num_tokens_seen += num_tokens

    def row(self, step: int, values: StepValues) -> MetricsRow:
        """Return the row of a step, with means over the window."""
        if math.isnan(self.first_loss):
            self.first_loss = values.loss
        window_s = max(self.clock() - self._window_start, 1e-9)
        return MetricsRow(
            step=step,
            loss=values.loss,
            learning_rate=values.learning_rate,
            grad_norm=values.grad_norm,
            tokens_per_second=self._window_tokens / window_s,
            step_time_s=window_s / self._window_steps,
        )

    def meta(self, row: MetricsRow, identity: RunIdentity) -> CheckpointMeta:
        """Return what a checkpoint at a row's step says about its run."""
        return CheckpointMeta(
            step=row.step,
            data_position=row.step * identity.train.batch_size,
            fingerprint=identity.fingerprint(),
            tokens_digest=identity.tokens_digest,
            first_loss=self.first_loss,
            loss=row.loss,
            validation_loss=row.validation_loss,
            num_tokens_seen=self.num_tokens_seen,
            train_time_s=self.train_time_s + self.clock() - self._session_start,
        )


def finite(step: int, metrics: StepMetrics) -> StepValues:
    """Return a step's metrics as numbers.

    Raises:
        NonFiniteLoss: the loss or the gradient's norm is NaN or infinite.
    """
    values = StepValues(*(float(value) for value in metrics))
    for name in ("loss", "grad_norm"):
        value = getattr(values, name)
        if not math.isfinite(value):
            raise NonFiniteLoss(
                f"{name} is {value} at step {step}: lower learning_rate, or lengthen warmup_steps"
            )
    return values
