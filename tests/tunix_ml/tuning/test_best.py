import math
from typing import Any

import pytest
from pydantic import ValidationError

from tunix_assets.assets.checkpoint import CheckpointConfig
from tunix_ml.contracts.sweep import Objective, Trial
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.tuning.best import Spread, best_of, ranking, run_config, spread_of, train_of

LOSS = Objective("validation_loss", is_minimised=True)
SCORE = Objective("answer_correctness", is_minimised=False)


def trial(number: int, metric: float | None, *, seed: int = 0) -> Trial:
    fields: dict[str, Any] = {"kind": "search", "values": {}, "run_id": "r", "fingerprint": "f", "seed": seed}
    status = "pruned" if metric is None else "complete"
    return Trial(number=number, status=status, metric=metric, **fields)


def test_only_complete_trials_are_ranked_by_the_direction() -> None:
    trials = [trial(0, 2.0), trial(1, None), trial(2, 1.0), trial(3, 2.0)]

    assert [found.number for found in ranking(trials, LOSS)] == [2, 0, 3]
    assert [found.number for found in ranking(trials, SCORE)] == [0, 3, 2]
    assert best_of(trials, LOSS) == trials[2]


def test_without_a_complete_trial_there_is_no_best() -> None:
    assert best_of([trial(0, None)], LOSS) is None


def test_the_spread_is_that_of_the_complete_reruns() -> None:
    reruns = [trial(6, 1.0, seed=0), trial(7, 2.0, seed=1), trial(8, None, seed=2), trial(9, 3.0, seed=3)]

    assert spread_of(reruns) == Spread([0, 1, 3], 2.0, 1.0)
    assert spread_of(reruns[:1]) == Spread([0], 1.0, None)
    assert spread_of([]) == Spread([], None, None)


def test_a_recipe_survives_its_configuration() -> None:
    train = TrainConfig(recipe="swept", learning_rate=1e-5, max_steps=7, lora_targets="a|b")

    config = run_config(train, ExecutionConfig(device="cpu", save_every_steps=5))

    assert train_of(config) == train
    assert "save_every_steps: 5" in config
    assert "pause_after_step" not in config


def test_the_checkpoint_asset_takes_every_key_of_it() -> None:
    fields = set(TrainConfig.model_fields) | set(ExecutionConfig.model_fields)

    assert fields <= set(CheckpointConfig.model_fields)
    assert math.isclose(
        train_of(run_config(TrainConfig(learning_rate=1 / 3), ExecutionConfig())).learning_rate, 1 / 3
    )


def test_what_is_no_recipe_is_refused() -> None:
    with pytest.raises(ValidationError):
        train_of("ops: {checkpoint: {config: {learning_rates: 1}}}")
