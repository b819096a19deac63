from typing import Any

import pytest

from tunix_ml.contracts.sweep import Dimension, Objective, RungValue, Trial
from tunix_ml.tuning.engines import Search
from tunix_ml.tuning.importance import importances


def search_of(num_trials: int) -> Search:
    fields: dict[str, Any] = {
        "kind": "search",
        "status": "waiting",
        "seed": 0,
        "run_id": "r",
        "fingerprint": "f",
    }
    trials = [
        Trial(number=n, values={"dropout": 0.02 * n}, rungs=(RungValue(step=10, value=float(n)),), **fields)
        for n in range(num_trials)
    ]
    trials.append(Trial(number=num_trials, values={"dropout": 0.9}, **fields))
    space = {"dropout": Dimension("uniform", (0.0, 0.9))}
    return Search(space, Objective("validation_loss", is_minimised=True), trials, num_trials, 0)


@pytest.mark.parametrize(
    ("num_trials", "fields", "note"),
    [
        (3, [], "3 trials are too few to tell which field mattered: 4 are needed"),
        (
            4,
            ["dropout"],
            "PED-ANOVA over the 4 trials that came to step 10; fewer than 20 trials tell little",
        ),
        (20, ["dropout"], "PED-ANOVA over the 20 trials that came to step 10"),
    ],
)
def test_it_says_what_it_rests_on(num_trials: int, fields: list[str], note: str) -> None:
    found = importances(search_of(num_trials), first_rung=10)

    assert (list(found.shares), found.note) == (fields, note)


def test_of_trials_that_are_all_equal_nothing_can_be_told() -> None:
    search = search_of(5)
    alike = [trial.model_copy(update={"rungs": (RungValue(step=10, value=1.0),)}) for trial in search.trials]

    found = importances(search._replace(trials=alike), first_rung=10)

    assert found == ({}, "all 6 trials are equal at step 10, so no field mattered")
