import math
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import pytest

from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.training import checkpoint_folder
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.metrics import read_metrics
from tunix_ml.training.progress import NonFiniteLoss
from tunix_ml.training.saving import saving
from tunix_ml.training.step import StepMetrics, TrainState
from tunix_ml.training.stepping import Ending, take_steps
from tunix_ml.training.stops import StopRequest, TimeBudget, TrainingStopped, stop_requests
from tunix_ml.training.work import Work

Toy = Callable[..., Work]
MakeState = Callable[[int], TrainState]
NO_BUDGET = TimeBudget(None, 0.0)


@pytest.fixture
def take(checkpoints: Checkpoints, state_after: MakeState) -> Callable[..., Ending]:
    """A function that takes the steps of a work."""

    def take_them(
        work: Work,
        *,
        meta: CheckpointMeta | None = None,
        stop: StopRequest | None = None,
        budget: Any = NO_BUDGET,
    ) -> Ending:
        state = state_after(meta.step if meta else 0)
        with saving(checkpoints) as saver:
            return take_steps(work, saver, state, meta, stop=stop or StopRequest(), budget=budget)

    return take_them


def step_once(state: TrainState, *, loss: float = 1.0) -> tuple[TrainState, StepMetrics]:
    moved = state._replace(step=state.step + 1)
    return moved, StepMetrics(jnp.float32(loss), jnp.float32(0.5), jnp.float32(0.1))


def reported(work: Work) -> list[int]:
    return [row.step for row in read_metrics(work.metrics_path)]


def test_all_steps_are_taken_reported_evaluated_and_saved(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    work = toy(7, log_every_steps=2, eval_every_steps=3, save_every_steps=4)

    ending = take(work)

    rows = read_metrics(work.metrics_path)
    assert (int(ending.state.step), ending.meta.step, ending.stopped_by) == (7, 7, "steps")
    assert [row.step for row in rows] == [1, 2, 3, 4, 6, 7]
    assert [row.loss for row in rows] == [pytest.approx(1 / row.step) for row in rows]
    assert {row.step: row.validation_loss for row in rows if row.validation_loss is not None} == {
        3: 0,
        6: 3,
        7: 4,
    }
    assert checkpoints.steps() == [4, 7]
    assert checkpoint_folder.read_meta(checkpoints.path(7)) == ending.meta


def test_the_rows_say_what_was_read_up_to_them(toy: Toy, take: Callable[..., Ending]) -> None:
    ending = take(toy(5, save_every_steps=5))

    assert ending.meta.num_tokens_seen == 5 * 2 * 4
    assert ending.meta.data_position == 5 * 2
    assert ending.meta.first_loss == 1.0


def test_steps_go_on_after_a_checkpoint(
    toy: Toy, take: Callable[..., Ending], meta_after: Callable[..., CheckpointMeta]
) -> None:
    work = toy(6, log_every_steps=1, save_every_steps=6)

    ending = take(work, meta=meta_after(4))

    assert reported(work) == [5, 6]
    assert ending.meta.first_loss == 3.0
    assert ending.meta.num_tokens_seen == 400 + 2 * 2 * 4


def test_a_row_is_written_while_the_next_step_runs(toy: Toy, take: Callable[..., Ending]) -> None:
    """And with it every row before a checkpoint is."""
    seen: dict[int, list[int]] = {}

    def look(state: TrainState, *rest: Any) -> Any:
        seen[int(state.step) + 1] = reported(work)
        return step_once(state)

    work = toy(6, train=look, log_every_steps=1, eval_every_steps=6, save_every_steps=4)
    take(work)

    assert seen == {1: [], 2: [], 3: [1], 4: [1, 2], 5: [1, 2, 3, 4], 6: [1, 2, 3, 4]}


# early ends


def test_a_signal_ends_the_run_after_its_step_with_a_checkpoint(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    def interrupted(state: TrainState, *rest: Any) -> Any:
        if int(state.step) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return step_once(state)

    work = toy(100, train=interrupted)

    with (
        stop_requests() as stop,
        pytest.raises(
            TrainingStopped, match="stopped after step 5/100, which is saved: SIGTERM was received"
        ),
    ):
        take(work, stop=stop)

    assert checkpoints.steps() == [5]
    assert checkpoints.problem(5) is None
    assert reported(work) == [1]  # what an uninterrupted run would have told so far


def test_a_signal_before_the_first_step_ends_the_run_at_once(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints, meta_after: Callable[..., CheckpointMeta]
) -> None:
    with pytest.raises(TrainingStopped, match="stopped before its first step: SIGINT was received"):
        take(toy(100), stop=StopRequest("SIGINT"))
    with pytest.raises(TrainingStopped, match="stopped after step 7/100, which is saved"):
        take(toy(100), stop=StopRequest("SIGINT"), meta=meta_after(7))

    assert checkpoints.steps() == []


def test_a_signal_in_the_last_step_changes_nothing(toy: Toy, take: Callable[..., Ending]) -> None:
    stop = StopRequest()

    def interrupted(state: TrainState, *rest: Any) -> Any:
        stop.name = "SIGTERM" if int(state.step) == 2 else None
        return step_once(state)

    assert take(toy(3, train=interrupted), stop=stop).stopped_by == "steps"


def test_a_run_without_time_takes_one_step_evaluates_and_saves_it(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints, meta_after: Callable[..., CheckpointMeta]
) -> None:
    work, over = toy(100), TimeBudget(1.0, 0.0, clock=lambda: 61.0)

    first = take(work, budget=over)
    second = take(work, budget=over, meta=meta_after(1))

    assert (first.meta.step, first.stopped_by) == (1, "time_budget")
    assert (second.meta.step, second.meta.validation_loss) == (2, 1.0)
    assert checkpoints.steps() == [1, 2]
    assert reported(work) == [1, 2]


def test_a_run_ends_before_its_time_is_over(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    def slow(state: TrainState, *rest: Any) -> Any:
        time.sleep(0.05)
        return step_once(state)

    start = time.perf_counter()
    budget = TimeBudget(minutes=4.0 / 60, started_at=start)

    ending = take(toy(10_000, train=slow), budget=budget)

    assert ending.stopped_by == "time_budget"
    assert 1.0 < time.perf_counter() - start < 4.0
    assert ending.meta.step == checkpoints.steps()[-1] == int(ending.state.step) > 5


def test_checkpoints_are_saved_by_the_clock_as_well(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    def slow(state: TrainState, *rest: Any) -> Any:
        time.sleep(0.02)
        return step_once(state)

    work = toy(60, train=slow, save_every_minutes=0.3 / 60, log_every_steps=50)

    take(work)

    assert len(checkpoints.steps()) == 3
    assert checkpoints.steps()[0] < 60
    assert reported(work) == [1, 50, 60]


# what is not finite


def test_a_loss_that_is_no_number_ends_the_run_at_its_last_checkpoint(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    def spoiled(state: TrainState, *rest: Any) -> Any:
        return step_once(state, loss=math.nan if int(state.step) >= 5 else 1.0)

    work = toy(20, train=spoiled, log_every_steps=1, save_every_steps=2)

    with pytest.raises(NonFiniteLoss, match="loss is nan at step 6"):
        take(work)

    assert checkpoints.steps() == [2, 4]
    assert reported(work) == [1, 2, 3, 4, 5]


def test_parameters_that_are_no_numbers_are_not_saved_although_the_loss_is_one(
    toy: Toy, take: Callable[..., Ending], checkpoints: Checkpoints
) -> None:
    def spoiled(state: TrainState, *rest: Any) -> Any:
        state, metrics = step_once(state)
        scale = state.params["layer.scale"] * (math.inf if int(state.step) == 4 else 1.0)
        return state._replace(params={**state.params, "layer.scale": scale + 1.0}), metrics

    with pytest.raises(NonFiniteLoss, match=r"layer\.scale holds values that are not finite after step 4"):
        take(toy(20, train=spoiled, save_every_steps=2, log_every_steps=1))

    assert checkpoints.steps() == [2]
