"""Optuna: a tree-structured Parzen estimator proposes, one trial after the other.

Its study is made from the trial table for each proposal, so it has no memory that a kill could take.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna

from tunix_ml.contracts.sweep import Dimension, Values
from tunix_ml.tuning.engines import Listener, Search, train_in_turn
from tunix_ml.tuning.trial import TrialJob

_MOST_RANDOM_TRIALS = 10
_NUM_DRAWS = 100


class OptunaEngine:
    """Proposes what the values at the first rung, which all trials have, make promising."""

    def num_proposed_at_once(self, num_missing: int) -> int:  # noqa: ARG002 - of the protocol
        """Return one: the next proposal rests on what came of it."""
        return 1

    def propose(self, search: Search) -> Values | None:
        """Return the estimator's proposal; at random if that was tried already."""
        num_random = min(_MOST_RANDOM_TRIALS, max(2, search.num_trials // 3))
        seed = search.seed + len(search.trials)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=num_random)
        study, distributions = study_of(search, sampler=sampler), _distributions(search.space)
        tried = [trial.values for trial in search.trials]
        values = study.ask(distributions).params
        study.sampler = optuna.samplers.RandomSampler(seed=seed)
        for _ in range(_NUM_DRAWS):
            if values not in tried:
                return values
            values = study.ask(distributions).params
        return None

    def train(self, jobs: Sequence[TrialJob], listener: Listener) -> None:
        """Train one trial after the other on this machine."""
        train_in_turn(jobs, listener)


def study_of(search: Search, *, sampler: Any = None) -> optuna.Study:
    """Return a study with the trials that have come to the first rung, and their value there."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=sampler, direction="minimize" if search.objective.is_minimised else "maximize"
    )
    distributions = _distributions(search.space)
    for trial in search.trials:
        if trial.rungs:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.values), distributions=distributions, value=trial.rungs[0].value
                )
            )
    return study


def importances_of(search: Search) -> dict[str, float]:
    """Return the share of each field in what sets the better half of the trials apart, by PED-ANOVA.

    Source: https://arxiv.org/abs/2304.10255.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=0.5)
    found = optuna.importance.get_param_importances(study_of(search), evaluator=evaluator)
    return {field: float(share) for field, share in found.items()}


def _distributions(space: dict[str, Dimension]) -> dict[str, optuna.distributions.BaseDistribution]:
    return {field: _distribution(dimension) for field, dimension in space.items()}


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    if dimension.kind == "choice":
        return optuna.distributions.CategoricalDistribution(dimension.values)
    low, high = dimension.values
    if dimension.kind == "int":
        return optuna.distributions.IntDistribution(int(low), int(high))
    return optuna.distributions.FloatDistribution(float(low), float(high), log=dimension.kind == "loguniform")
