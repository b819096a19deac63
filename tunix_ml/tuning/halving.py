"""Successive halving: every trial comes to a rung, the better ones go on from their own checkpoints.

Who goes on follows from the trial table alone, so an interrupted sweep decides as it would have.
Source: https://arxiv.org/abs/1502.07943.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import Objective, SweepSpec, Trial


class Wave(NamedTuple):
    """The trials that are to come to a step, and those that go no further."""

    step: int
    numbers: tuple[int, ...]
    pruned: tuple[int, ...]


def rungs_of(spec: SweepSpec, *, num_steps: int) -> list[int]:
    """Return the steps after which trials are compared; the last is the end of a run.

    Raises:
        ContractError: the first rung is not before the end.
    """
    if spec.first_rung_steps is None:
        return [num_steps]
    if spec.first_rung_steps >= num_steps:
        raise ContractError(
            f"first_rung_steps {spec.first_rung_steps} is not below the {num_steps} steps of a run"
        )
    rungs, step = [], spec.first_rung_steps
    while step < num_steps:
        rungs.append(step)
        step *= spec.reduction_factor
    return [*rungs, num_steps]


def wave_to(
    index: int, trials: Sequence[Trial], *, rungs: Sequence[int], factor: int, objective: Objective
) -> Wave:
    """Return who is to come to the rung of an index, given that all trials have come to the one before.

    The best in `factor` go on, but at least one; of equal ones those with the lower number. A trial that has
    failed after a rung still counts there: it has taken its place.
    """
    if index == 0:
        return Wave(rungs[0], _open(trials, [trial.number for trial in trials], index), ())
    cohort = [trial for trial in trials if len(trial.rungs) >= index]
    ranked = sorted(cohort, key=lambda trial: (objective.key(trial.rungs[index - 1].value), trial.number))
    num_kept = max(1, len(ranked) // factor)
    kept = [trial.number for trial in ranked[:num_kept]]
    pruned = tuple(trial.number for trial in ranked[num_kept:] if trial.status == "waiting")
    return Wave(rungs[index], _open(trials, kept, index), pruned)


def _open(trials: Sequence[Trial], numbers: Sequence[int], index: int) -> tuple[int, ...]:
    """Return those of some trials that wait to come to the rung of an index."""
    wanted = set(numbers)
    return tuple(
        trial.number
        for trial in trials
        if trial.number in wanted and trial.status == "waiting" and len(trial.rungs) <= index
    )
