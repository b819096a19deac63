import math
from collections.abc import Callable

import jax.numpy as jnp
import pytest

from tunix_ml.contracts.training import RunIdentity, TrainConfig
from tunix_ml.training.progress import NonFiniteLoss, Progress, StepValues, finite
from tunix_ml.training.step import StepMetrics

IDENTITY = RunIdentity(
    dataset_version="golden-v1",
    dataset_digest="a",
    export_digest="b",
    tokens_digest="c",
    template="answer_only",
    train=TrainConfig(batch_size=4),
    code_version="d",
)
VALUES = StepValues(loss=2.0, grad_norm=1.0, learning_rate=0.1)


def ticking(*seconds: float) -> Callable[[], float]:
    times = iter(seconds)
    return lambda: next(times)


def test_speed_is_the_mean_since_the_window_began() -> None:
    progress = Progress(clock=ticking(0.0, 0.0, 4.0))
    progress.count(100)
    progress.count(300)

    row = progress.row(2, VALUES)

    assert (row.tokens_per_second, row.step_time_s) == (100.0, 2.0)


def test_a_new_window_forgets_the_old_one_but_not_the_tokens() -> None:
    progress = Progress(clock=ticking(0.0, 0.0, 10.0, 11.0))
    progress.count(100)
    progress.start_window()
    progress.count(50)

    assert progress.row(2, VALUES).tokens_per_second == 50.0
    assert progress.num_tokens_seen == 150


def test_a_window_may_have_begun_before() -> None:
    progress = Progress(clock=ticking(0.0, 0.0, 14.0))
    progress.start_window(at=10.0)
    progress.count(100)

    assert progress.row(1, VALUES).step_time_s == 4.0


def test_counters_are_carried_on_from_a_checkpoint() -> None:
    first = Progress(clock=ticking(0.0, 0.0, 1.0, 5.0))
    first.count(100)
    meta = first.meta(first.row(1, VALUES), IDENTITY)

    second = Progress.carried_on(meta)
    second.count(100)
    later = second.meta(second.row(2, VALUES._replace(loss=1.0)), IDENTITY)

    assert (meta.first_loss, meta.num_tokens_seen, meta.train_time_s, meta.data_position) == (
        2.0,
        100,
        5.0,
        4,
    )
    assert (later.first_loss, later.loss, later.num_tokens_seen, later.data_position) == (2.0, 1.0, 200, 8)
    assert later.train_time_s > 5.0


@pytest.mark.parametrize(
    ("loss", "grad_norm", "message"),
    [
        (math.nan, 1.0, "loss is nan at step 7: lower learning_rate"),
        (1.0, math.inf, "grad_norm is inf at step 7"),
    ],
)
def test_what_is_no_number_is_an_error(loss: float, grad_norm: float, message: str) -> None:
    metrics = StepMetrics(jnp.float32(loss), jnp.float32(grad_norm), jnp.float32(0.1))

    with pytest.raises(NonFiniteLoss, match=message):
        finite(7, metrics)
