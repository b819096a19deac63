"""A trace of a few steps, for Perfetto or TensorBoard."""

from collections.abc import Callable
from pathlib import Path

import jax

from tunix_ml.training.step import StepMetrics

_NUM_BEFORE = 3  # the first steps of a process fill caches and are not like the others
_NUM_TRACED = 3


class StepTrace:
    """Traces a few of a session's steps, once its first ones are done."""

    def __init__(
        self, folder: str, *, after_step: int, num_steps: int, report: Callable[[str], None]
    ) -> None:
        self._folder = Path(folder).expanduser().absolute() if folder else None
        self._first = min(after_step + 1 + _NUM_BEFORE, num_steps)
        self._last = min(self._first + _NUM_TRACED - 1, num_steps)
        self._report = report
        self._is_open = False

    def before(self, step: int) -> None:
        """Begin the trace if this is the first step of it."""
        if self._folder and step == self._first:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._is_open = True

    def after(self, step: int, metrics: StepMetrics) -> None:
        """End the trace if this was the last step of it; waits for the step."""
        if self._is_open and step == self._last:
            jax.block_until_ready(metrics)  # type: ignore[no-untyped-call]
            self.close()
            self._report(f"trace of the steps {self._first} to {self._last} in {self._folder}")

    def close(self) -> None:
        """End the trace where it stands."""
        if self._is_open:
            self._is_open = False
            jax.profiler.stop_trace()  # type: ignore[no-untyped-call]
