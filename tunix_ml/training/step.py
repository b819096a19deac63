"""The training step: loss, gradient, update; pure functions over pytrees, compiled ahead of time.

This is the one place that compiles for training. Time, files and logs are the loop's business.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.modeling.decoder import Dropout, Network, Params, segment_mask
from tunix_ml.modeling.lora import fresh_adapters, is_adapter, split
from tunix_ml.training.data import Batch
from tunix_ml.training.loss import LossSum, chunked_cross_entropy
from tunix_ml.training.optimizers import clip, learning_rate_at, make_optimizer
from tunix_ml.training.placement import Placement


class TrainState(NamedTuple):
    """All that a step changes; `step` counts the steps done, `params` are those that are trained."""

    step: jax.Array
    params: Params
    opt_state: optax.OptState


class StepMetrics(NamedTuple):
    """What a step says about itself; the loss in nats per supervised token, the norm before clipping."""

    loss: jax.Array
    grad_norm: jax.Array
    learning_rate: jax.Array


class Initial(NamedTuple):
    """A state before the first step, and the parameters that no step changes: none unless adapters train."""

    state: TrainState
    frozen: Params


TrainStep = Callable[[TrainState, Params, Batch], tuple[TrainState, StepMetrics]]
EvalStep = Callable[[Params, Params, Batch], LossSum]
LossAndGradients = tuple[jax.Array, Params]


@dataclass(frozen=True)
class CompiledSteps:
    """The two executables of a run; called with other shapes they raise TypeError, they never recompile.

    Attributes:
        train: from (state, frozen, batch) to the next state and metrics; it takes over its state, whose
            arrays are gone afterwards.
        evaluate: from (params, frozen, batch) to the loss, without dropout.
        compile_time_s: wall seconds to compile both.
    """

    train: TrainStep
    evaluate: EvalStep
    compile_time_s: float


def compile_steps(
    network: Network,
    config: TrainConfig,
    *,
    num_steps: int,
    execution: ExecutionConfig,
    state: TrainState,
    frozen: Params,
    batch: Batch,
    placement: Placement,
) -> CompiledSteps:
    """Compile the step and the evaluation for the shapes of a state and a batch.

    Raises:
        ContractError: the rows of a batch cannot be shared out to the parts of a step and the devices.
    """
    start = time.perf_counter()
    num_parts = execution.gradient_accumulation_steps
    _check_parts(batch.inputs.shape[0], num_parts, placement)
    step = functools.partial(
        train_step, network=network, config=config, num_steps=num_steps, num_parts=num_parts
    )
    states, params, rows = (
        placement.state(state),
        placement.params(jax.eval_shape(dict, frozen)),
        placement.rows,
    )
    train = jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(states, params, rows),
        out_shardings=(states, placement.replicated),
    )
    evaluate = jax.jit(
        functools.partial(_evaluate, network),
        in_shardings=(states.params, params, rows),
        out_shardings=placement.replicated,
    )
    with jax.set_mesh(placement.mesh):
        lowered = train.lower(state, frozen, batch), evaluate.lower(state.params, frozen, batch)
    return CompiledSteps(
        train=lowered[0].compile(),
        evaluate=lowered[1].compile(),
        compile_time_s=time.perf_counter() - start,
    )


def init_state(
    network: Network, config: TrainConfig, *, num_steps: int, placement: Placement, base: Params | None = None
) -> Initial:
    """Return the state before the first step, with fresh parameters or those of a base model.

    Args:
        network: what the parameters are for.
        config: its seed gives the fresh parameters, and the adapters of a base model.
        num_steps: optimizer steps of the run.
        placement: where the arrays go.
        base: parameters under the names of a folder's, or stacked as the network has them; copied.

    Raises:
        ContractError: the base's parameters are not those of the network.
    """
    like = abstract_state(network, config, num_steps=num_steps, placement=placement)
    places: TrainState = jax.tree.map(lambda leaf: leaf.sharding, like)
    params, frozen = _first_params(network, config, placement, {} if base is None else base)
    optimizer = make_optimizer(config, num_steps)
    opt_state = jax.jit(optimizer.init, out_shardings=places.opt_state)(params)
    return Initial(TrainState(placement.copy(jnp.int32(0), placement.replicated), params, opt_state), frozen)


def abstract_state(
    network: Network, config: TrainConfig, *, num_steps: int, placement: Placement
) -> TrainState:
    """Return the shapes, types and places of a state's arrays."""

    def fresh() -> TrainState:
        params, _ = split(network.init(jax.random.key(config.seed)))
        optimizer = make_optimizer(config, num_steps)
        return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    shapes = jax.eval_shape(fresh)
    places = placement.state(shapes)
    state: TrainState = jax.tree.map(lambda leaf, place: leaf.update(sharding=place), shapes, places)
    return state


def train_step(
    state: TrainState,
    frozen: Params,
    batch: Batch,
    *,
    network: Network,
    config: TrainConfig,
    num_steps: int,
    num_parts: int = 1,
) -> tuple[TrainState, StepMetrics]:
    """Return the state after one optimizer step.

    Args:
        state: what the step changes.
        frozen: parameters it reads beside them.
        batch: its rows are worked through in `num_parts` parts, whose gradients are added.
        network: the decoder.
        config: of the optimizer and the dropout, whose key is a function of (seed, step).
        num_steps: optimizer steps of the run.
        num_parts: divides the rows.
    """
    loss, gradients = _loss_and_gradients(state, frozen, batch, network, config, num_parts)
    norm = optax.tree.norm(gradients)
    gradients = clip(gradients, norm=norm, limit=config.grad_clip_norm)
    optimizer = make_optimizer(config, num_steps)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    rate = learning_rate_at(state.step, config=config, num_steps=num_steps)
    return TrainState(state.step + 1, params, opt_state), StepMetrics(loss, norm, rate)


def loss_sum(network: Network, params: Params, batch: Batch, *, dropout: Dropout | None = None) -> LossSum:
    """Return the loss of a batch as a sum, for means over several batches."""
    inputs, targets, weights, segment_ids, positions = map(jnp.asarray, batch)
    decoder = network.bind(params)
    mask = segment_mask(segment_ids)
    hidden = decoder.hidden(inputs, positions=positions, mask=mask, dropout=dropout).hidden
    return chunked_cross_entropy(
        hidden.reshape(-1, hidden.shape[-1]).astype(jnp.float32),
        decoder.head_kernel(),
        targets.reshape(-1),
        weights.reshape(-1),
        softcap=network.config.final_logit_softcapping,
        precision=network.precision,
    )


def _evaluate(network: Network, params: Params, frozen: Params, batch: Batch) -> LossSum:
    return loss_sum(network, {**frozen, **params}, batch)


def _loss_and_gradients(
    state: TrainState, frozen: Params, batch: Batch, network: Network, config: TrainConfig, num_parts: int
) -> LossAndGradients:
    """Return the mean loss of a batch and its gradients; each part is weighted by its supervised tokens."""
    num_supervised = jnp.sum(batch.weights)
    key = jax.random.fold_in(jax.random.key(config.seed), state.step)

    def share_of_loss(params: Params, part: Batch, index: jax.Array | int) -> jax.Array:
        dropout = Dropout(jax.random.fold_in(key, index), config.dropout) if config.dropout else None
        return loss_sum(network, {**frozen, **params}, part, dropout=dropout).nats / num_supervised

    loss_of = jax.value_and_grad(share_of_loss)
    if num_parts == 1:
        return loss_of(state.params, batch, 0)

    def add(total: LossAndGradients, numbered: tuple[jax.Array, Batch]) -> tuple[LossAndGradients, None]:
        index, part = numbered
        return jax.tree.map(jnp.add, total, loss_of(state.params, part, index)), None

    zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, state.params))
    parts = jax.tree.map(functools.partial(_in_parts, num_parts=num_parts), batch)
    total, _ = jax.lax.scan(add, zeros, (jnp.arange(num_parts), parts))
    return total


def _in_parts(array: jax.Array, *, num_parts: int) -> jax.Array:
    """Return (rows, …) as (parts, rows of a part, …).

    A part takes every num_parts-th row: so each device finds its rows of every part among its own.
    """
    return array.reshape(-1, num_parts, *array.shape[1:]).swapaxes(0, 1)


def _check_parts(batch_size: int, num_parts: int, placement: Placement) -> None:
    if batch_size % num_parts:
        raise ContractError(
            f"batch_size {batch_size} is not a multiple of gradient_accumulation_steps {num_parts}"
        )
    placement.check_batch_size(batch_size // num_parts)


def _first_params(
    network: Network, config: TrainConfig, placement: Placement, base: Params
) -> tuple[Params, Params]:
    """Return what is trained and what is not: the base's parameters, and fresh ones where it has none.

    All are copies: the step takes over what it is given, and the base is not ours to give.
    """
    shapes = network.abstract_params()
    places = placement.params(shapes)
    with jax.default_device(placement.mesh.local_devices[0]):
        key = jax.random.key(config.seed)
        # Not as one program: eight layers took 6.5 CPU-seconds to compile, and 0.1 to fill one by one.
        first = _own_names(network, base) if base else network.init(key)
        missing = {name: shape for name, shape in shapes.items() if name not in first}
        first |= fresh_adapters(key, missing)
    return split({name: placement.copy(first.pop(name), place) for name, place in places.items()})


def _own_names(network: Network, base: Params) -> Params:
    """Return a base's parameters under the network's names, after comparing names and shapes."""
    expected = network.abstract_params()
    try:
        own = base if set(base) <= set(expected) else network.stack(base)
    except KeyError as error:
        raise ContractError(f"base model has no {error.args[0]}") from error
    for name, shape in sorted((name, leaf.shape) for name, leaf in expected.items()):
        if name not in own and not is_adapter(name):
            raise ContractError(f"base model has no {name}")
        if name in own and own[name].shape != shape:
            raise ContractError(f"base model: {name} has shape {own[name].shape}, the network's {shape}")
    return {name: own[name] for name in expected if name in own}
