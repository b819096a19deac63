"""The engine's side of a benchmark: the steps of training and the decoding that runs use, with a clock."""

import itertools
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax

from tunix_ml.benchmark.workload import Workload
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.inference.decode import Request, decode
from tunix_ml.inference.programs import prepare
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.training.placement import Placement
from tunix_ml.training.step import StepMetrics, compile_steps, init_state


class Turn(NamedTuple):
    """Some steps done: the wall seconds of each, and its loss."""

    step_times_s: list[float]
    losses: list[float]


class EngineSide:
    """A model that is trained and asked; each turn goes on where the one before has ended."""

    def __init__(
        self,
        network: Network,
        config: BenchmarkConfig,
        workload: Workload,
        prompts: Sequence[Sequence[int]],
        placement: Placement,
    ) -> None:
        recipe, execution = recipe_of(config), ExecutionConfig(device=config.device, remat=config.remat)
        self.state, self.frozen = init_state(
            network, recipe, num_steps=recipe.num_train_steps, placement=placement
        )
        self.network, self.config, self.placement, self.prompts = network, config, placement, prompts
        self.batches = itertools.cycle(workload.batches)
        steps = compile_steps(
            network,
            recipe,
            num_steps=recipe.num_train_steps,
            execution=execution,
            state=self.state,
            frozen=self.frozen,
            batch=workload.batches[0],
            placement=placement,
        )
        self._step, self.compile_time_s = steps.train, steps.compile_time_s

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory taken so far: of the device, on a CPU of this process."""
        stats = self.placement.mesh.devices.flat[0].memory_stats() or {}
        on_host: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return int(stats.get("peak_bytes_in_use", on_host))

    def decode(self) -> float:
        """Continue all prompts greedily to the limit, and return the wall seconds."""
        config = self.config
        weights = prepare(self.state.params, network=self.network)
        jax.block_until_ready(weights)  # type: ignore[no-untyped-call]
        start = time.perf_counter()
        decode(
            self.network,
            weights,
            [Request(prompt) for prompt in self.prompts],
            config=DecodingConfig(max_new_tokens=config.max_new_tokens, precision=config.precision),
            end_token_ids=(),
            batch_size=config.num_prompts,
            decode_text=str,
            report=lambda _: None,
        )
        return time.perf_counter() - start

    def turn(self, num_steps: int) -> Turn:
        """Do some steps; as in training, the next one is on its way before one is waited for."""
        times, losses = [], []
        last = time.perf_counter()
        following = self._dispatch()
        for number in range(1, num_steps + 1):
            current = following
            if number < num_steps:
                following = self._dispatch()
            losses.append(float(current.loss))
            now = time.perf_counter()
            times.append(now - last)
            last = now
        return Turn(times, losses)

    def _dispatch(self) -> StepMetrics:
        batch = self.placement.put_batch(next(self.batches))
        self.state, metrics = self._step(self.state, self.frozen, batch)
        return metrics


def save_fresh_model(folder: Path, network: Network, config: BenchmarkConfig, placement: Placement) -> None:
    """Write the parameters that training begins with as a Hugging Face folder."""
    recipe = recipe_of(config)
    initial = init_state(network, recipe, num_steps=recipe.num_train_steps, placement=placement)
    folder.mkdir(parents=True)
    save_model(
        folder,
        config=network.config,
        params=network.unstack(placement.fetch(initial.state.params)),
        special_token_ids={"bos_token_id": None, "eos_token_id": None, "pad_token_id": None},
    )


def recipe_of(config: BenchmarkConfig) -> TrainConfig:
    """Return the recipe that every side trains with: AdamW as by default, at one rate."""
    return TrainConfig(
        recipe="benchmark",
        precision=config.precision,
        batch_size=config.batch_size,
        num_train_steps=config.num_steps + 1,
        schedule="constant",
        warmup_steps=0,
        learning_rate=1e-3,
    )
