"""The best trial of a sweep, how far its metric can be believed, and its recipe as a run configuration."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from tunix_ml.contracts.sweep import Objective, Trial
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig


class Spread(NamedTuple):
    """The metric of the best recipe over some seeds."""

    seeds: list[int]
    mean: float | None
    stdev: float | None


def best_of(trials: Sequence[Trial], objective: Objective) -> Trial | None:
    """Return the complete trial with the best metric, of equal ones the first; None if there is none."""
    ranked = ranking(trials, objective)
    return ranked[0] if ranked else None


def ranking(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the complete trials, best first."""
    found = [(trial.metric, trial) for trial in trials if trial.metric is not None]
    return [trial for _, trial in sorted(found, key=lambda one: (objective.key(one[0]), one[1].number))]


def spread_of(reruns: Sequence[Trial]) -> Spread:
    """Return mean and standard deviation (n - 1) over the reruns that are complete."""
    found = [(trial.seed, trial.metric) for trial in reruns if trial.metric is not None]
    values = [value for _, value in found]
    return Spread(
        seeds=[seed for seed, _ in found],
        mean=math.fsum(values) / len(values) if values else None,
        stdev=statistics.stdev(values) if len(values) > 1 else None,
    )


def run_config(train: TrainConfig, execution: ExecutionConfig) -> str:
    """Return a recipe as YAML for `dagster asset materialize -c`; the checkpoint asset makes its very run."""
    config = {
        **train.model_dump(mode="json", exclude_none=True),
        **execution.model_dump(mode="json", exclude_defaults=True),
    }
    return yaml.safe_dump({"ops": {"checkpoint": {"config": config}}}, sort_keys=False)


def train_of(config: str) -> TrainConfig:
    """Return the recipe that a run configuration holds.

    Raises:
        ValidationError: it holds none.
    """
    fields = yaml.safe_load(config)["ops"]["checkpoint"]["config"]
    return TrainConfig.model_validate(
        {name: value for name, value in fields.items() if name not in ExecutionConfig.model_fields}
    )
