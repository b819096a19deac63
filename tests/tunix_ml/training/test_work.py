from collections.abc import Callable

import numpy as np
import pytest

from tunix_ml.training.data import indices_of_step
from tunix_ml.training.work import Work, indices_of

Toy = Callable[..., Work]


def test_a_prepared_batch_lies_on_its_devices_and_knows_its_tokens(toy: Toy) -> None:
    work = toy(10)

    prepared = work.prepare(1)

    assert prepared.batch.inputs.sharding == work.placement.rows
    assert prepared.batch.inputs.shape == (2, 4)
    assert prepared.num_tokens == 2 * 4


def test_steps_are_counted_from_one(toy: Toy) -> None:
    work = toy(10)

    expected = indices_of_step(0, num_rows=4, batch_size=2, seed=work.identity.train.seed)
    np.testing.assert_array_equal(indices_of(1, work.train_rows, work.identity), expected)


@pytest.mark.parametrize(
    ("every_steps", "reported", "evaluated", "saved"),
    [((3, 4, 5), [1, 3, 4, 5, 6, 7], [4, 7], [5, 7]), ((9, 9, 9), [1, 7], [7], [7])],
)
def test_what_is_due_when(
    toy: Toy, every_steps: tuple[int, int, int], reported: list[int], evaluated: list[int], saved: list[int]
) -> None:
    log, evaluate, save = every_steps
    work = toy(7, log_every_steps=log, eval_every_steps=evaluate, save_every_steps=save)
    steps = range(1, 8)

    assert [step for step in steps if work.is_reported(step)] == reported
    assert [step for step in steps if work.is_evaluated(step)] == evaluated
    assert [step for step in steps if work.is_saved(step)] == saved
