from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tunix_ml.benchmark.engine import EngineSide, recipe_of, save_fresh_model
from tunix_ml.benchmark.shapes import model_shape, network_of
from tunix_ml.benchmark.workload import make_prompts, make_workload
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.training.placement import Placement, make_placement


@pytest.fixture
def placement() -> Placement:
    return make_placement(ExecutionConfig(device="cpu"))


@pytest.fixture
def side(tiny: BenchmarkConfig, placement: Placement) -> EngineSide:
    workload = make_workload(tiny, vocab_size=64, layout=tiny.layout)
    network = network_of(model_shape(tiny.shape), tiny)
    return EngineSide(network, tiny, workload, make_prompts(tiny, vocab_size=64), placement)


def test_a_turn_goes_on_where_the_one_before_has_ended(side: EngineSide, measured: Any) -> None:
    first, second, third = side.turn(1), side.turn(2), side.turn(2)

    assert len(first.losses) == len(first.step_times_s) == 1
    assert [*second.losses, *third.losses] == measured.report.train.losses
    assert int(side.state.step) == 5


def test_memory_is_counted(side: EngineSide) -> None:
    assert side.peak_memory_bytes > 1_000_000


def test_a_peer_starts_from_the_same_parameters(
    side: EngineSide, tiny: BenchmarkConfig, placement: Placement, tmp_path: Path
) -> None:
    save_fresh_model(tmp_path / "model", side.network, tiny, placement)

    saved = load_model(tmp_path / "model").params
    assert saved.keys() == side.state.params.keys()
    for name, value in side.state.params.items():
        np.testing.assert_array_equal(saved[name], value)


def test_the_rate_of_the_recipe_is_the_same_at_every_step(tiny: BenchmarkConfig) -> None:
    recipe = recipe_of(tiny)

    assert (recipe.schedule, recipe.warmup_steps, recipe.num_train_steps) == ("constant", 0, 5)
