"""The engine of a run by its name: who does the steps, and where they are done."""

from collections.abc import Callable
from typing import NamedTuple

from tunix_ml.contracts.training import Device, ExecutionConfig, TrainConfig
from tunix_ml.training import step, torch_engine
from tunix_ml.training.placement import Placement, make_placement
from tunix_ml.training.step import CompiledSteps


class Engine(NamedTuple):
    """What a session asks of an engine.

    Attributes:
        make_placement: where the arrays of a run lie; refuses what the engine does not do.
        compile_steps: as `training.step.compile_steps`.
    """

    make_placement: Callable[[TrainConfig, ExecutionConfig], Placement]
    compile_steps: Callable[..., CompiledSteps]


_ENGINES = {
    "jax": Engine(lambda _, execution: make_placement(execution), step.compile_steps),
    "torch": Engine(torch_engine.make_placement, torch_engine.compile_steps),
}


def engine_of(config: TrainConfig) -> Engine:
    """Return the engine that a recipe names."""
    return _ENGINES[config.engine]


def device_of_jax(config: TrainConfig, execution: ExecutionConfig) -> Device:
    """Return the device that JAX is set up for: beside torch it keeps to the CPU."""
    return "cpu" if config.engine == "torch" else execution.device
