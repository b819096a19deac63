import threading
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.training import checkpoint_folder
from tunix_ml.training.checkpoints import Checkpoints, DiskFull
from tunix_ml.training.progress import NonFiniteLoss
from tunix_ml.training.saving import check_finite, host_copy, num_bytes, saving
from tunix_ml.training.step import TrainState

MakeState = Callable[[int], TrainState]
MakeMeta = Callable[..., CheckpointMeta]


def spoiled(state: TrainState, value: float) -> TrainState:
    moments = {**state.opt_state[1], "layer.scale": jnp.array([0.0, value, 0.0])}
    return state._replace(opt_state=(state.opt_state[0], moments))


def save_all(
    checkpoints: Checkpoints, states: list[TrainState], meta: MakeMeta, *, then: Exception | None = None
) -> None:
    with saving(checkpoints) as saver:
        for state in states:
            saver.save(state, meta(int(state.step)))
        if then:
            raise then


def test_states_are_saved_and_the_oldest_retired(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta
) -> None:
    with saving(checkpoints) as saver:
        for step in (1, 2, 3, 4):
            saver.save(state_after(step), meta_after(step))

    assert checkpoints.steps() == [2, 3, 4]
    assert [checkpoints.problem(step) for step in (2, 3, 4)] == [None] * 3
    assert saver.last_save_s
    assert saver.last_save_s > 0


def test_a_save_does_not_wait_for_the_disk(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, seal = threading.Event(), checkpoint_folder.seal
    monkeypatch.setattr(checkpoint_folder, "seal", lambda path: disk.wait(20) and seal(path))

    with saving(checkpoints) as saver:
        saver.save(state_after(1), meta_after(1))
        assert saver.is_busy
        assert checkpoints.problem(1) is not None
        disk.set()

    assert checkpoints.problem(1) is None


def test_what_is_saved_is_the_state_at_the_call(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta
) -> None:
    move = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)
    place = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state_after(0)
    )
    state = jax.tree.map(lambda leaf: jax.device_put(leaf, place), state_after(5))

    with saving(checkpoints) as saver:
        saver.save(state, meta_after(5))
        for _ in range(20):
            state = move(state)

    restored = checkpoints.restore(5, like=like).state
    jax.tree.map(np.testing.assert_array_equal, restored, state_after(5))


def test_a_host_copy_leaves_the_buffers_to_the_next_step(state_after: MakeState) -> None:
    state = state_after(1)
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]

    copied = host_copy(state)

    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(copied))
    assert not {leaf.ctypes.data for leaf in jax.tree.leaves(copied)} & set(buffers)
    assert num_bytes(copied) == num_bytes(state) == 2 * (6 + 3) * 4 + 2 * 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_state_that_is_not_finite_is_never_saved(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta, value: float
) -> None:
    states = [state_after(1), spoiled(state_after(2), value)]

    with pytest.raises(NonFiniteLoss, match=r"1\.layer\.scale holds values that are not finite after step 2"):
        save_all(checkpoints, states, meta_after)

    assert checkpoints.steps() == [1]


def test_a_finite_state_is_one(state_after: MakeState) -> None:
    check_finite(jax.device_get(state_after(3)), step=3)


def test_a_failure_is_told_at_the_next_save(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta
) -> None:
    with saving(checkpoints) as saver:
        saver.save(spoiled(state_after(1), float("nan")), meta_after(1))

        with pytest.raises(NonFiniteLoss, match="after step 1"):
            saver.save(state_after(2), meta_after(2))

    assert checkpoints.steps() == []


def test_a_failure_can_be_asked_for(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta
) -> None:
    with saving(checkpoints) as saver:
        saver.raise_failure()
        saver.save(spoiled(state_after(1), float("nan")), meta_after(1))
        while saver.is_busy:
            pass

        with pytest.raises(NonFiniteLoss):
            saver.raise_failure()


def test_the_error_of_the_block_goes_before_that_of_its_last_save(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta, reports: list[str]
) -> None:
    state = spoiled(state_after(1), float("nan"))

    with pytest.raises(KeyError, match="the block"):
        save_all(checkpoints, [state], meta_after, then=KeyError("the block"))

    assert reports[0].startswith("the last save failed as well: 1.layer.scale holds values")


def test_a_state_that_does_not_fit_on_the_disk_is_told_at_once(
    checkpoints: Checkpoints, state_after: MakeState, meta_after: MakeMeta, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(checkpoints: Checkpoints, num_bytes: int, *, step: int) -> None:
        raise DiskFull(f"checkpoint {step} needs {num_bytes} bytes")

    monkeypatch.setattr(Checkpoints, "check_room", is_full)

    with pytest.raises(DiskFull, match="checkpoint 1 needs 80 bytes"), saving(checkpoints) as saver:
        saver.save(state_after(1), meta_after(1))
    assert checkpoints.steps() == []
