"""The steps of one session: dispatched, reported, evaluated and saved, until done or told to end.

A step is dispatched before the numbers of the one before are read, and the batch of the next is prepared
while it runs: the device waits for neither.
"""

import time
from collections import deque
from contextlib import ExitStack
from typing import Literal, NamedTuple, TextIO

import jax

from tunix_ml.contracts.training import CheckpointMeta, MetricsRow, StoppedBy
from tunix_ml.training.distributed import any_process
from tunix_ml.training.metrics import append_metrics, progress_line, sync_rows, write_row
from tunix_ml.training.progress import Progress, finite
from tunix_ml.training.saving import Saver, num_bytes
from tunix_ml.training.step import StepMetrics, TrainState
from tunix_ml.training.stops import StopRequest, TimeBudget, TrainingStopped, stopped_message
from tunix_ml.training.tracing import StepTrace
from tunix_ml.training.work import Work

End = Literal["steps", "time_budget", "pause", "signal"]

_SECONDS_PER_MINUTE = 60
_NUM_STEP_TIMES = 8
_SAVED_BYTES_PER_S = 50e6  # assumed until the first save has been measured
_SPARE_S = 2.0
_SPARE_RATIO = 1.25


class Ending(NamedTuple):
    """How the steps of a session have ended; the state is saved."""

    state: TrainState
    meta: CheckpointMeta
    stopped_by: StoppedBy


class Dispatched(NamedTuple):
    """A step on its way."""

    step: int
    metrics: StepMetrics
    num_tokens: int


def take_steps(
    work: Work,
    saver: Saver,
    state: TrainState,
    meta: CheckpointMeta | None,
    *,
    stop: StopRequest,
    budget: TimeBudget,
) -> Ending:
    """Take the steps that are missing, or as many as time and pause allow, but at least one.

    Args:
        work: what the steps work on.
        saver: takes the checkpoints.
        state: before the first of them; the step takes over its arrays.
        meta: of the checkpoint the state is from, None at the start of the run.
        stop: asks for an early end, with a checkpoint.
        budget: wall time of the session.

    Raises:
        TrainingStopped: a request came; the state after the last step is saved.
        NonFiniteLoss: loss, gradient or state are not finite; the last checkpoint is the one before.
        DiskFull: a checkpoint would not fit on the disk.
    """
    with ExitStack() as stack:
        done = meta.step if meta else 0
        rows = None
        if work.placement.is_writer:
            rows = stack.enter_context(append_metrics(work.metrics_path, after_step=done))
        trace = StepTrace(
            work.execution.profile_dir if work.placement.is_writer else "",
            after_step=done,
            num_steps=work.num_steps,
            report=work.report,
        )
        stack.callback(trace.close)
        return _Stretch(work, saver, rows, trace, Progress.carried_on(meta), stop, budget).take(state, done)


class _Stretch:
    """The steps from one checkpoint to the end of a session, and what is known on the way."""

    def __init__(
        self,
        work: Work,
        saver: Saver,
        rows: TextIO | None,
        trace: StepTrace,
        progress: Progress,
        stop: StopRequest,
        budget: TimeBudget,
    ) -> None:
        self.work, self.saver, self.rows, self.trace = work, saver, rows, trace
        self.progress, self.stop, self.budget = progress, stop, budget
        self.pending: Dispatched | None = None
        self.saved_at = self.mark = time.perf_counter()
        self.step_times_s: deque[float] = deque(maxlen=_NUM_STEP_TIMES)
        self.evaluate_s: float | None = None
        self.num_bytes = 0

    def take(self, state: TrainState, done: int) -> Ending:
        """Take the steps after `done`."""
        self._raise_if_stopped(any_process(self.stop.name is not None), done)
        work, prepared = self.work, self.work.prepare(done + 1)
        self.num_bytes = num_bytes(state)
        step = done
        while True:
            step += 1
            self.trace.before(step)
            state, metrics = work.steps.train(state, work.frozen, prepared.batch)
            dispatched = Dispatched(step, metrics, prepared.num_tokens)
            prepared = work.prepare(step + 1)
            self._settle()
            self.trace.after(step, metrics)
            end = self._end(dispatched)
            is_saved = any_process(self._is_time_to_save()) or work.is_saved(step) or end is not None
            if not (is_saved or work.is_evaluated(step) or work.is_scored(step)):
                self.pending = dispatched
                continue
            meta = self._pause(state, dispatched, is_saved=is_saved, end=end)
            if end:
                self.saver.wait()
                self._raise_if_stopped(end == "signal", step)
                return Ending(state, meta, "steps" if end == "signal" else end)

    def _settle(self) -> None:
        """Wait for the step before the one just dispatched, and report it."""
        pending, self.pending = self.pending, None
        if pending is None:
            return
        self._await(pending)
        if self.work.is_reported(pending.step):
            self.saver.raise_failure()
            self._tell(self.progress.row(pending.step, finite(pending.step, pending.metrics)))
            self.progress.start_window(at=self.mark)  # the next step has been running since

    def _pause(
        self, state: TrainState, dispatched: Dispatched, *, is_saved: bool, end: End | None
    ) -> CheckpointMeta:
        """Wait for a step, evaluate and save its state as it is due, and report it."""
        step, is_last = dispatched.step, end in ("time_budget", "pause")
        self._await(dispatched)
        row = self.progress.row(step, finite(step, dispatched.metrics))
        if self.work.is_evaluated(step) or is_last:
            row = row.model_copy(update={"validation_loss": self._evaluate(state)})
        if self.work.is_scored(step):
            row = row.model_copy(update={"task_score": self.work.score(state.params)})
        meta = self.progress.meta(row, self.work.identity)
        if self.work.is_reported(step) or is_last:
            self._tell(row)
        if is_saved:
            self._save(state, meta)
        if self.work.is_reported(step):
            self.progress.start_window()
        self.mark = time.perf_counter()
        return meta

    def _await(self, dispatched: Dispatched) -> None:
        """Wait for a step and count it."""
        jax.block_until_ready(dispatched.metrics)  # type: ignore[no-untyped-call]
        now = time.perf_counter()
        self.step_times_s.append(now - self.mark)
        self.mark = now
        self.progress.count(dispatched.num_tokens)

    def _evaluate(self, state: TrainState) -> float:
        start = time.perf_counter()
        loss = self.work.evaluate(state.params)
        self.evaluate_s = time.perf_counter() - start
        return loss

    def _tell(self, row: MetricsRow) -> None:
        if self.rows:
            write_row(self.rows, row)
        self.work.report(progress_line(row, num_train_steps=self.work.num_steps))

    def _save(self, state: TrainState, meta: CheckpointMeta) -> None:
        if self.rows:
            sync_rows(self.rows)
        self.saver.save(state, meta)
        self.saved_at = time.perf_counter()

    def _is_time_to_save(self) -> bool:
        minutes = self.work.execution.save_every_minutes
        return minutes is not None and time.perf_counter() - self.saved_at >= minutes * _SECONDS_PER_MINUTE

    def _end(self, dispatched: Dispatched) -> End | None:
        """Return why the step on its way is the last, None if it is not; all processes agree."""
        is_stopped = any_process(self.stop.name is not None)
        is_late = any_process(self._is_late(dispatched))
        if dispatched.step >= self.work.num_steps:
            return "steps"
        if is_stopped:
            return "signal"
        if is_late:
            return "time_budget"
        return "pause" if self.work.is_pause(dispatched.step) else None

    def _is_late(self, dispatched: Dispatched) -> bool:
        """Return whether one more step would not leave the time to close the session."""
        if self.budget.minutes is None:
            return False
        if not self.step_times_s:
            jax.block_until_ready(dispatched.metrics)  # type: ignore[no-untyped-call]
            self.step_times_s.append(time.perf_counter() - self.mark)
        step_s = max(self.step_times_s)
        closing_s = _SPARE_RATIO * self._closing_s(step_s) + _SPARE_S
        return self.budget.left_s() < 2 * step_s + closing_s  # this one may have just begun

    def _closing_s(self, step_s: float) -> float:
        """Return what the last evaluation, save and export will take, as far as it has been measured.

        An export writes and hashes less than a save.
        """
        evaluate_s, save_s = self.evaluate_s, self.saver.last_save_s
        if evaluate_s is None:
            evaluate_s = self.work.num_evaluation_batches * step_s
        if save_s is None:
            save_s = self.num_bytes / _SAVED_BYTES_PER_S
        return evaluate_s + save_s * (3 if self.saver.is_busy else 2)

    def _raise_if_stopped(self, is_stopped: bool, step: int) -> None:
        if is_stopped:
            name = self.stop.name or "a signal to another process"
            run_id, num_steps = self.work.identity.run_id(), self.work.num_steps
            raise TrainingStopped(stopped_message(run_id, name, step=step, num_steps=num_steps))
