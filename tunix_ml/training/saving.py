"""Saving beside the training: one copy to the host, and a worker that writes, seals and tidies up.

The next step takes over the state's buffers, so the copy is made before it is dispatched; all the rest,
which is most of the time, happens while the next steps run.
"""

import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np

from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.training import checkpoint_folder
from tunix_ml.training.checkpoints import Checkpoints
from tunix_ml.training.distributed import wait_for_all
from tunix_ml.training.progress import NonFiniteLoss
from tunix_ml.training.step import TrainState


class Saver:
    """Saves the states of one run, one at a time and in order.

    In several processes the state lies in all of them: they write it together, before the next step.

    Attributes:
        last_save_s: wall seconds of the last finished save, from the call to the seal; None before it.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.last_save_s: float | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is still being written."""
        return self._pending is not None and not self._pending.done()

    def save(self, state: TrainState, meta: CheckpointMeta) -> None:
        """Save a state; what went wrong with the save before is raised here.

        Raises:
            DiskFull: it would not fit on the disk.
            NonFiniteLoss: the state of the save before held NaN or infinity, and was not written.
        """
        self.wait()
        start = time.perf_counter()
        if jax.process_count() > 1:
            self._write_together(state, meta, start)
            return
        self.checkpoints.check_room(num_bytes(state), step=meta.step)
        self._pending = self._worker.submit(self._write, host_copy(state), meta, start)

    def raise_failure(self) -> None:
        """Raise what went wrong with the save under way, if that is known already."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Wait until the save under way is finished, and raise what went wrong with it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Wait for the worker's end."""
        self._worker.shutdown()

    def _write(self, state: TrainState, meta: CheckpointMeta, start: float) -> None:
        check_finite(state, step=meta.step)
        path = self.checkpoints.path(meta.step)
        checkpoint_folder.write(path, state, meta)
        checkpoint_folder.seal(path)
        self.checkpoints.retire()
        self.last_save_s = time.perf_counter() - start

    def _write_together(self, state: TrainState, meta: CheckpointMeta, start: float) -> None:
        check_finite(state, step=meta.step)
        self.checkpoints.check_room(num_bytes(state), step=meta.step)
        path = self.checkpoints.path(meta.step)
        checkpoint_folder.write(path, state, meta)
        if jax.process_index() == 0:
            checkpoint_folder.seal(path)
            self.checkpoints.retire()
        wait_for_all(f"checkpoint {meta.step}")
        self.last_save_s = time.perf_counter() - start


@contextmanager
def saving(checkpoints: Checkpoints) -> Iterator[Saver]:
    """Yield a saver, and wait for its last save at the end of the block.

    If the block fails, its own error is the one to tell; that of the save is then only reported.
    """
    saver = Saver(checkpoints)
    try:
        yield saver
    except BaseException:
        try:
            saver.wait()
        except Exception as error:  # noqa: BLE001 - the first error goes on
            checkpoints.report(f"the last save failed as well: {error}")
        raise
    else:
        saver.wait()
    finally:
        saver.close()


def host_copy(state: TrainState) -> TrainState:
    """Return a state as host arrays with memory of their own.

    A view of a CPU device's buffer would not do: the step could no longer take that buffer over.
    """
    for leaf in jax.tree.leaves(state):
        leaf.copy_to_host_async()
    copied: TrainState = jax.tree.map(_own, state)
    return copied


def check_finite(state: TrainState, *, step: int) -> None:
    """Make sure that a state is worth resuming from.

    Raises:
        NonFiniteLoss: it holds NaN or infinity.
    """
    for path, leaf in jax.tree.leaves_with_path((state.params, state.opt_state)):
        if leaf.size and not (math.isfinite(leaf.min()) and math.isfinite(leaf.max())):
            name = jax.tree_util.keystr(path[1:], simple=True, separator=".")
            raise NonFiniteLoss(
                f"{name} holds values that are not finite after step {step}, and is not saved:"
                " lower learning_rate, or lengthen warmup_steps"
            )


def num_bytes(state: TrainState) -> int:
    """Return the size of a state's arrays, all devices together."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))


def _own(leaf: jax.Array) -> Any:
    device = next(iter(leaf.devices()))
    return np.array(leaf, copy=True) if device.platform == "cpu" else np.asarray(leaf)
