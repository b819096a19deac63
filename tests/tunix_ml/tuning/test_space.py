from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import Dimension
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.snapshot import Snapshot
from tunix_ml.tuning.space import check_execution, check_space, num_steps_of, train_config

RECIPE = TrainConfig(recipe="swept", num_train_steps=40)


def test_every_field_of_a_recipe_can_be_searched_but_name_and_length(tokenized: Snapshot) -> None:
    space = {
        "learning_rate": Dimension("loguniform", (0.001, 0.1)),
        "dropout": Dimension("uniform", (0, 0.5)),
        "num_layers": Dimension("int", (1, 4)),
        "optimizer": Dimension("choice", ("adamw", "lion", "muon")),
        "seed": Dimension("int", (0, 9)),
    }

    check_space(space, recipe=RECIPE, tokens=tokenized)


@pytest.mark.parametrize(
    ("field", "dimension", "sentence"),
    [
        (
            "speed",
            Dimension("int", (1, 2)),
            "swept field 'speed' is none of the training recipe, which has: recipe",
        ),
        ("save_every_steps", Dimension("int", (1, 2)), "'save_every_steps' changes nothing about a run"),
        ("recipe", Dimension("choice", ("a", "b")), "'recipe' changes nothing but the name of a run"),
        ("max_steps", Dimension("int", (1, 2)), "'max_steps' says how long a run is"),
        (
            "num_layers",
            Dimension("choice", (1, 1.0)),
            "swept field 'num_layers' changes nothing: two of choice",
        ),
        ("num_layers", Dimension("int", (0, 2)), "num_layers: Input should be greater than or equal to 1"),
        ("num_layers", Dimension("uniform", (1, 2)), "num_layers: Input should be a valid integer"),
        ("optimizer", Dimension("choice", ("adamw", "sgd")), "optimizer: Input should be"),
    ],
)
def test_a_field_that_cannot_be_searched_is_refused_by_name(
    tokenized: Snapshot, field: str, dimension: Dimension, sentence: str
) -> None:
    with pytest.raises(ContractError, match=sentence):
        check_space({field: dimension}, recipe=RECIPE, tokens=tokenized)


def test_a_recipe_is_changed_in_the_named_fields_alone() -> None:
    changed = train_config(RECIPE, {"learning_rate": 0.5})

    assert changed == RECIPE.model_copy(update={"learning_rate": 0.5})


@pytest.mark.parametrize(
    ("setting", "value", "instead"),
    [
        ("time_budget_minutes", 3.0, "budget_minutes"),
        ("pause_after_step", 5, "first_rung_steps"),
        ("resume_from", "none", "its own last checkpoint"),
    ],
)
def test_what_a_sweep_says_itself_is_refused(setting: str, value: Any, instead: str) -> None:
    with pytest.raises(ContractError, match=f"{setting} .* is not for the trials of a sweep: .*{instead}"):
        check_execution(ExecutionConfig.model_validate({setting: value}))


def test_the_length_is_the_shorter_of_two() -> None:
    assert num_steps_of(RECIPE) == 40
    assert num_steps_of(RECIPE.model_copy(update={"max_steps": 30})) == 30


@pytest.mark.parametrize("name", ["smoke_steps", "max_examples"])
def test_a_length_in_other_words_is_refused(name: str) -> None:
    with pytest.raises(ContractError, match=f"{name} 3 is not for a sweep: say num_train_steps"):
        num_steps_of(RECIPE.model_copy(update={name: 3}))
