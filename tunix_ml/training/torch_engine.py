"""The other engine: the steps of a run by transformers and torch, for machines where JAX cannot train.

Only the steps change. Rows, order, schedule, metrics, checkpoints and the exported folder come from the same
code, so JAX is still there, on the CPU: it draws fresh parameters, and checks what torch has trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.modeling.lora import LoraConfig
from tunix_ml.modeling.tensors import assemble, place_of, places
from tunix_ml.training import placement as placements
from tunix_ml.training.data import Batch
from tunix_ml.training.devices import DeviceNotFound
from tunix_ml.training.loss import LossSum
from tunix_ml.training.optimizers import learning_rate_at
from tunix_ml.training.placement import Placement
from tunix_ml.training.step import CompiledSteps, StepMetrics, TrainState
from tunix_ml.training.torch_trainer import (
    Adapter,
    Moments,
    Rows,
    TorchNotInstalled,
    TorchSettings,
    TorchTrainer,
    import_torch,
)

_NO_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


class EngineError(TunixError):
    """The engine torch is not installed, or cannot do what the run asks for."""


@dataclass(frozen=True)
class TorchPlacement(Placement):
    """One CPU device for JAX's part, and the device that torch works on."""

    torch_device: str

    def describe(self) -> str:
        """Return both devices: `cpu + torch cuda NVIDIA H200`."""
        torch, (kind, _, _) = import_torch(), self.torch_device.partition(":")
        name = f" {torch.cuda.get_device_name(self.torch_device)}" if kind == "cuda" else ""
        return f"{super().describe()} + torch {kind}{name}"


def make_placement(config: TrainConfig, execution: ExecutionConfig) -> TorchPlacement:
    """Return where a run of this engine works.

    Raises:
        EngineError: torch is not installed, or cannot do what the run asks for.
        DeviceNotFound: torch does not see the device asked for.
    """
    check_supported(config, execution)
    try:
        torch = import_torch()
    except TorchNotInstalled as error:
        raise EngineError(f"engine 'torch': {error}") from error
    num_gpus = torch.cuda.device_count()
    index = execution.device_index or 0
    mesh = placements.make_placement(ExecutionConfig(device="cpu")).mesh
    if execution.device == "cpu" or (execution.device == "auto" and not num_gpus):
        return TorchPlacement(mesh, "cpu")
    if execution.device == "tpu" or index >= num_gpus:
        raise DeviceNotFound(
            f"engine 'torch' finds no device {execution.device!r} of index {index};"
            f" it has: cpu, gpu x {num_gpus}"
        )
    return TorchPlacement(mesh, f"cuda:{index}")


def check_supported(config: TrainConfig, execution: ExecutionConfig) -> None:
    """Refuse what this engine does not do.

    Raises:
        EngineError: it is asked for; the message says what.
    """
    refused = {
        f"optimizer {config.optimizer!r}": config.optimizer != "adamw",
        f"dropout {config.dropout}": config.dropout > 0,
        f"mesh_fsdp {execution.mesh_fsdp}": execution.mesh_fsdp > 1,
        f"mesh_tp {execution.mesh_tp}": execution.mesh_tp > 1,
        f"profile_dir {execution.profile_dir!r}": bool(execution.profile_dir),
    }
    for what, is_asked in refused.items():
        if is_asked:
            raise EngineError(f"engine 'torch' does not do {what}: leave it out, or train with engine 'jax'")


def compile_steps(
    network: Network,
    config: TrainConfig,
    *,
    num_steps: int,
    execution: ExecutionConfig,
    state: TrainState,
    frozen: Params,
    batch: Batch,  # noqa: ARG001 - torch compiles for no shape
    placement: TorchPlacement,
) -> CompiledSteps:
    """Return what `training.step.compile_steps` does, by torch: the model is loaded, nothing compiled.

    The states they return become arrays where they are looked into, not before.
    """
    start = perf_counter()
    rates = learning_rate_at(jnp.arange(num_steps), config=config, num_steps=num_steps)
    lora = network.lora
    layout = _AdapterLayout(network, placement, lora) if lora else _Layout(network, placement)
    trainer = _load(layout, _settings(config, execution, placement), state, frozen)
    steps = _Steps(layout, trainer, state)
    steps.learning_rates = [float(rate) for rate in np.asarray(rates)]
    return CompiledSteps(
        train=cast("Any", steps.train),
        evaluate=cast("Any", steps.evaluate),
        compile_time_s=perf_counter() - start,
    )


@dataclass(frozen=True)
class _Layout:
    """How the parameters of a network lie in the tensors of a folder, and back."""

    network: Network
    placement: Placement

    def to_tensors(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        values, family = self._single(params), self.network.config.family
        return {
            tensor: assemble([values[name] for name in names], place_of(names[0], family))
            for tensor, names in places(values, family).items()
        }

    def to_params(self, tensors: Mapping[str, np.ndarray], like: Mapping[str, Any]) -> Params:
        network, family = self.network, self.network.config.family
        values = {}
        for name in jax.eval_shape(lambda: network.unstack(network.init(jax.random.key(0)))):
            place = place_of(name, family)
            values[name] = np.ascontiguousarray(place.take(tensors[place.tensor]))
        return self._stacked(values, like)

    def adapters(self, params: Params) -> dict[str, Adapter]:  # noqa: ARG002 - of the other layout
        """Return none: every parameter is trained."""
        return {}

    def _single(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self.network.unstack({name: np.asarray(value) for name, value in params.items()})

    def _stacked(self, values: Mapping[str, np.ndarray], like: Mapping[str, Any]) -> Params:
        stacked = self.network.stack({name: jnp.asarray(value) for name, value in values.items()})
        params: Params = jax.device_put({name: stacked[name] for name in like}, self.placement.replicated)
        return params


@dataclass(frozen=True)
class _AdapterLayout(_Layout):
    """How the adapters of a network lie in the trainer: as they are, a layer at a time."""

    lora: LoraConfig

    def to_tensors(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self._single(params)

    def to_params(self, tensors: Mapping[str, np.ndarray], like: Mapping[str, Any]) -> Params:
        return self._stacked(tensors, like)

    def adapters(self, params: Params) -> dict[str, Adapter]:
        """Return the adapters by the module that they are beside."""
        values, family = self._single(params), self.network.config.family
        found = {}
        for module in dict.fromkeys(name.rpartition(".")[0] for name in values):
            place = place_of(f"{module}.kernel", family)
            found[module] = Adapter(
                module=place.tensor.removesuffix(".weight"),
                part=place.part,
                num_parts=place.num_parts,
                scale=self.lora.scale,
                first=values[f"{module}.lora_a"],
                second=values[f"{module}.lora_b"],
            )
        return found


class _Steps:
    """A model in training."""

    def __init__(self, layout: _Layout, trainer: TorchTrainer, state: TrainState) -> None:
        self.layout, self.trainer = layout, trainer
        self.num_done = int(state.step)
        self.learning_rates: list[float] = []
        self.shapes: TrainState = jax.eval_shape(lambda: state)
        self.shown: Params = state.params

    def train(self, state: object, frozen: Params, batch: Batch) -> tuple["TorchState", StepMetrics]:  # noqa: ARG002
        """Do the next step; the state given is the one returned last."""
        rate = self.learning_rates[self.num_done]
        found = self.trainer.train(_rows(batch), learning_rate=rate)
        self.num_done += 1
        values = (jnp.float32(value) for value in (found.loss, found.grad_norm, rate))
        return TorchState(self), StepMetrics(*values)

    def evaluate(self, params: Params, frozen: Params, batch: Batch) -> LossSum:  # noqa: ARG002
        """Return the loss of a batch under the parameters of the last state."""
        if params is not self.shown:
            raise ValueError("torch evaluates the parameters that it trains, and these are others")
        found = self.trainer.evaluate(_rows(batch))
        return LossSum(jnp.float32(found.nats), jnp.float32(found.num_supervised))

    def look(self) -> TrainState:
        """Return copies of all that torch holds as the state that JAX would have."""
        like = self.shapes
        params = self.layout.to_params(self.trainer.tensors(), like.params)
        moments = self.trainer.moments()
        count = jnp.int32(self.num_done)
        opt_state = optax.tree.set(
            like.opt_state,
            mu=self.layout.to_params(moments.first, like.params),
            nu=self.layout.to_params(moments.second, like.params),
            count=count,
        )
        self.shown = params
        opt_state = jax.device_put(opt_state, self.layout.placement.replicated)
        return TrainState(count, params, opt_state)


class TorchState:
    """The state after the last step: it is read from torch when something of it is asked for.

    To JAX it is a tree with the leaves of a TrainState.
    """

    def __init__(self, steps: _Steps) -> None:
        self._steps = steps

    @cached_property
    def whole(self) -> TrainState:
        """The state as arrays."""
        return self._steps.look()

    @property
    def step(self) -> jax.Array:
        """Steps done."""
        return self.whole.step

    @property
    def params(self) -> Params:
        """The parameters under their flat names."""
        return self.whole.params

    @property
    def opt_state(self) -> optax.OptState:
        """AdamW's state, as optax keeps it."""
        return self.whole.opt_state


jax.tree_util.register_pytree_node(
    TorchState,
    lambda state: (tuple(state.whole), None),
    lambda _, parts: cast("Any", TrainState(*parts)),
)


def _settings(config: TrainConfig, execution: ExecutionConfig, placement: TorchPlacement) -> TorchSettings:
    return TorchSettings(
        device=placement.torch_device,
        precision=config.precision,
        num_parts=execution.gradient_accumulation_steps,
        remat=execution.remat == "on",
        weight_decay=config.weight_decay,
        adam_b1=config.adam_b1,
        adam_b2=config.adam_b2,
        grad_clip_norm=config.grad_clip_norm,
    )


def _load(layout: _Layout, settings: TorchSettings, state: TrainState, frozen: Params) -> TorchTrainer:
    """Return a trainer that goes on from a state."""
    config, adapters = layout.network.config, layout.adapters(state.params)
    with TemporaryDirectory(prefix="tunix-") as folder:
        params = frozen if adapters else state.params
        save_model(Path(folder), config=config, params=params, special_token_ids=_NO_TOKENS)
        trainer = TorchTrainer(Path(folder), settings, adapters)
    if int(state.step):
        first, second = (layout.to_tensors(optax.tree.get(state.opt_state, name)) for name in ("mu", "nu"))
        trainer.restore_moments(Moments(first, second), num_steps=int(state.step))
    return trainer


def _rows(batch: Batch) -> Rows:
    return Rows(*(np.asarray(getattr(batch, name)) for name in Rows._fields))
