import math
from typing import Any

import pytest

from tunix_ml.contracts.sweep import Dimension, Objective, RungValue, Trial, Values
from tunix_ml.tuning.engines import Search
from tunix_ml.tuning.optuna_engine import OptunaEngine, importances_of, study_of

LOSS = Objective("validation_loss", is_minimised=True)
SPACE = {
    "learning_rate": Dimension("loguniform", (0.0001, 1.0)),
    "dropout": Dimension("uniform", (0.0, 0.5)),
    "num_layers": Dimension("int", (1, 8)),
    "optimizer": Dimension("choice", ("adamw", "lion", "muon")),
}


def trial(number: int, values: Values, value: float | None) -> Trial:
    fields: dict[str, Any] = {
        "kind": "search",
        "status": "waiting",
        "seed": 0,
        "run_id": "r",
        "fingerprint": "f",
    }
    rungs = () if value is None else (RungValue(step=10, value=value),)
    return Trial(number=number, values=dict(values), rungs=rungs, **fields)


def search_of(*trials: Trial, space: dict[str, Dimension] = SPACE, objective: Objective = LOSS) -> Search:
    return Search(space, objective, list(trials), num_trials=12, seed=5)


def bowl(values: Values) -> float:
    """Return a loss whose lowest value is at a learning rate of 0.01; nothing else matters."""
    return abs(math.log10(float(values["learning_rate"])) + 2)


def searched(num_trials: int) -> list[Trial]:
    trials: list[Trial] = []
    for number in range(num_trials):
        values = OptunaEngine().propose(search_of(*trials))
        assert values
        trials.append(trial(number, values, bowl(values)))
    return trials


def test_a_proposal_lies_in_the_space() -> None:
    values = OptunaEngine().propose(search_of())

    assert values
    assert 0.0001 <= float(values["learning_rate"]) <= 1
    assert values["optimizer"] in SPACE["optimizer"].values
    assert type(values["num_layers"]) is int


def test_the_same_trials_lead_to_the_same_proposal() -> None:
    trials = searched(6)

    assert searched(6) == trials
    assert OptunaEngine().propose(search_of(*trials)) == OptunaEngine().propose(search_of(*trials))


def test_later_proposals_are_nearer_to_the_best() -> None:
    losses = [found.rungs[0].value for found in searched(24)]

    assert sum(losses[12:]) < sum(losses[:12])


def test_nothing_is_proposed_twice_and_an_exhausted_space_says_so() -> None:
    space = {"optimizer": Dimension("choice", ("adamw", "lion"))}
    trials: list[Trial] = []
    while values := OptunaEngine().propose(search_of(*trials, space=space)):
        trials.append(trial(len(trials), values, 1.0))

    assert sorted(str(found.values["optimizer"]) for found in trials) == ["adamw", "lion"]


def test_a_study_knows_the_direction_and_the_trials_with_a_value() -> None:
    values = {"learning_rate": 0.1, "dropout": 0.1, "num_layers": 2, "optimizer": "lion"}
    trials = [trial(0, values, 2.0), trial(1, values, None), trial(2, values, 1.0)]

    lowest = study_of(search_of(*trials))
    highest = study_of(search_of(*trials, objective=Objective("answer_correctness", is_minimised=False)))

    assert len(lowest.trials) == 2
    assert (lowest.best_value, highest.best_value) == (1.0, 2.0)


def test_the_field_that_matters_is_the_most_important_one() -> None:
    shares = importances_of(search_of(*searched(30)))

    assert max(shares, key=lambda field: shares[field]) == "learning_rate"
    assert set(shares) == set(SPACE)


@pytest.mark.parametrize("num_missing", [1, 6])
def test_it_wants_to_know_what_came_of_each(num_missing: int) -> None:
    assert OptunaEngine().num_proposed_at_once(num_missing) == 1
