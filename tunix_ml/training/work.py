"""What the steps of a session work on and with, and when what is due."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tunix_ml.contracts.training import ExecutionConfig, RunIdentity
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.training.data import Batch, TokenRows, indices_of_step
from tunix_ml.training.placement import Placement
from tunix_ml.training.step import CompiledSteps
from tunix_ml.training.validation import num_batches, validation_loss

ScoreModel = Callable[[Network, Params], float | None]


class Prepared(NamedTuple):
    """A step's batch on its devices, and how many tokens it holds, padding left out."""

    batch: Batch
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class Work:
    """All that the steps of a session need and none of them changes.

    Attributes:
        num_steps: optimizer steps of the whole run.
        frozen: parameters that are not trained.
        train_rows: read by the steps.
        held_out: read by the evaluations.
        metrics_path: of `metrics.jsonl`.
        score_params: returns the task score of parameters, whole and on the host; None: there is none.
    """

    identity: RunIdentity
    execution: ExecutionConfig
    num_steps: int
    steps: CompiledSteps
    frozen: Params
    train_rows: TokenRows
    held_out: TokenRows
    placement: Placement
    metrics_path: Path
    report: Callable[[str], None]
    score_params: Callable[[Params], float | None] | None = None

    def prepare(self, step: int) -> Prepared:
        """Return the batch of a step."""
        indices = indices_of(step, self.train_rows, self.identity)
        batch = self.placement.put_batch(self.train_rows.batch(indices))
        return Prepared(batch, int(self.train_rows.tokens_per_row[indices].sum()))

    def evaluate(self, params: Params) -> float:
        """Return the validation loss of some parameters, nats per supervised token."""
        return validation_loss(
            lambda batch: self.steps.evaluate(params, self.frozen, self.placement.put_batch(batch)),
            self.held_out,
            batch_size=self.identity.train.batch_size,
        )

    def score(self, params: Params) -> float | None:
        """Return the task score of some parameters; every process has a part, the first one knows it."""
        whole = {name: self.placement.fetch(value) for name, value in {**self.frozen, **params}.items()}
        if self.score_params is None or not self.placement.is_writer:
            return None
        return self.score_params(whole)

    @property
    def num_evaluation_batches(self) -> int:
        """Batches that an evaluation reads."""
        return num_batches(self.held_out, batch_size=self.identity.train.batch_size)

    def is_evaluated(self, step: int) -> bool:
        """Return whether a validation loss is due after a step."""
        return self._is_due(step, self.execution.eval_every_steps)

    def is_saved(self, step: int) -> bool:
        """Return whether a checkpoint is due after a step."""
        return self._is_due(step, self.execution.save_every_steps)

    def is_scored(self, step: int) -> bool:
        """Return whether a task score is due after a step."""
        every_steps = self.execution.score_every_steps
        return every_steps is not None and self._is_due(step, every_steps)

    def is_pause(self, step: int) -> bool:
        """Return whether the session was to end after this step, or before it."""
        pause = self.execution.pause_after_step
        return pause is not None and step >= pause

    def is_reported(self, step: int) -> bool:
        """Return whether a step gets a row of metrics."""
        is_logged = step == 1 or self._is_due(step, self.execution.log_every_steps)
        return is_logged or self.is_evaluated(step) or self.is_saved(step) or self.is_scored(step)

    def _is_due(self, step: int, every_steps: int) -> bool:
        return step % every_steps == 0 or step == self.num_steps


def indices_of(step: int, rows: TokenRows, identity: RunIdentity) -> np.ndarray:
    """Return the rows of a step; steps are counted from 1 here, as everywhere outside `data`."""
    config = identity.train
    return indices_of_step(step - 1, num_rows=rows.num_rows, batch_size=config.batch_size, seed=config.seed)
