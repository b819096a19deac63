"""The search space against the recipe it is searched in: every field exists, fits and makes another run."""

from collections.abc import Mapping

from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.explain import describe
from tunix_ml.contracts.sweep import Dimension, Values
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.snapshot import Snapshot
from tunix_ml.training.identify import identify

_SAID_BY_THE_SWEEP = {
    "time_budget_minutes": "budget_minutes is that of the whole sweep",
    "pause_after_step": "first_rung_steps and reduction_factor say where trials are compared",
    "resume_from": "a trial goes on from its own last checkpoint",
}
_LENGTHS = ("num_train_steps", "max_steps", "max_examples", "smoke_steps")


def check_space(space: Mapping[str, Dimension], *, recipe: TrainConfig, tokens: Snapshot) -> None:
    """Refuse a space with a field that a recipe does not have, or that would change nothing.

    Raises:
        ContractError: the message names the field and what is wrong with it.
    """
    for field, dimension in space.items():
        _check_exists(field)
        found = [train_config(recipe, {field: value}) for value in _samples(dimension)]
        fingerprints = {identify(tokens, train).fingerprint() for train in found}
        if len(fingerprints) < len(found):
            raise ContractError(
                f"swept field {field!r} changes nothing: two of {_listed(dimension)} make the same run"
            )


def check_execution(execution: ExecutionConfig) -> None:
    """Refuse what a sweep says for each of its trials itself.

    Raises:
        ContractError: the message names the setting, and what to use in its stead.
    """
    for name, instead in _SAID_BY_THE_SWEEP.items():
        value, default = getattr(execution, name), ExecutionConfig.model_fields[name].default
        if value != default:
            raise ContractError(f"{name} {value!r} is not for the trials of a sweep: {instead}")


def num_steps_of(recipe: TrainConfig) -> int:
    """Return the steps of every trial.

    Raises:
        ContractError: the recipe's length depends on more than `num_train_steps` and `max_steps`.
    """
    for name in ("max_examples", "smoke_steps"):
        value = getattr(recipe, name)
        if value is not None:
            raise ContractError(f"{name} {value} is not for a sweep: say num_train_steps")
    return min(recipe.num_train_steps, recipe.max_steps or recipe.num_train_steps)


def train_config(recipe: TrainConfig, values: Values) -> TrainConfig:
    """Return a recipe with some fields changed.

    Raises:
        ContractError: a value is none that the field can have.
    """
    try:
        return TrainConfig.model_validate({**recipe.model_dump(), **values})
    except ValidationError as error:
        problems = describe(error, TrainConfig)
        raise ContractError(f"the recipe cannot be changed to {dict(values)}: {problems}") from error


def _check_exists(field: str) -> None:
    if field in ExecutionConfig.model_fields:
        raise ContractError(
            f"swept field {field!r} changes nothing about a run: it only says how the run is executed"
        )
    if field not in TrainConfig.model_fields:
        raise ContractError(
            f"swept field {field!r:.100} is none of the training recipe, which has:"
            f" {', '.join(TrainConfig.model_fields)}"
        )
    if field == "recipe":
        raise ContractError("swept field 'recipe' changes nothing but the name of a run")
    if field in _LENGTHS:
        raise ContractError(
            f"swept field {field!r} says how long a run is: trials are compared after the same steps"
        )


def _samples(dimension: Dimension) -> tuple[int | float | str, ...]:
    """Return all choices, or the ends of a range and for a real one what lies between."""
    if dimension.kind in ("choice", "int"):
        return dimension.values
    low, high = (float(value) for value in dimension.values)
    return (low, (low + high) / 2, high)


def _listed(dimension: Dimension) -> str:
    return f"{dimension.kind} {list(dimension.values)!r:.100}"
