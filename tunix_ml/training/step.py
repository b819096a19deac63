"""The training step: loss, gradient, AdamW; pure functions over pytrees, compiled once.

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

from tunix_ml.contracts.training import TrainConfig
from tunix_ml.modeling.decoder import Network, Params, segment_mask
from tunix_ml.training.data import Batch


class TrainState(NamedTuple):
    """All that a step reads and changes; `step` counts the steps done."""

    step: jax.Array
    params: Params
    opt_state: optax.OptState


class StepMetrics(NamedTuple):
    """What a step says about itself; the loss in nats per supervised token, the norm before clipping."""

    loss: jax.Array
    grad_norm: jax.Array
    learning_rate: jax.Array


class LossSum(NamedTuple):
    """Negative log-likelihood in nats over the supervised tokens, and their number."""

    nats: jax.Array
    num_supervised: jax.Array


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]]
EvalStep = Callable[[Params, Batch], LossSum]


@dataclass(frozen=True)
class CompiledSteps:
    """The two executables of a run; called with other shapes they raise TypeError, they never recompile.

    `train` takes over its state: the arrays passed in are gone afterwards.
    """

    train: TrainStep
    evaluate: EvalStep
    compile_time_s: float


def compile_steps(
    network: Network, config: TrainConfig, *, state: TrainState, batch: Batch, device: jax.Device
) -> CompiledSteps:
    """Compile the step and the evaluation for the shapes of a state and a batch."""
    start = time.perf_counter()
    sharding = jax.sharding.SingleDeviceSharding(device)
    train = jax.jit(
        functools.partial(train_step, network=network, config=config),
        donate_argnums=0,
        in_shardings=sharding,
        out_shardings=sharding,
    )
    evaluate = jax.jit(functools.partial(loss_sum, network), in_shardings=sharding, out_shardings=sharding)
    return CompiledSteps(
        train=train.lower(state, batch).compile(),
        evaluate=evaluate.lower(state.params, batch).compile(),
        compile_time_s=time.perf_counter() - start,
    )


def init_state(network: Network, config: TrainConfig, *, device: jax.Device) -> TrainState:
    """Return the state before the first step."""
    sharding = jax.sharding.SingleDeviceSharding(device)
    init = jax.jit(lambda: _fresh_state(network, config), out_shardings=sharding)
    with jax.default_device(device):
        state: TrainState = init()
    return state


def abstract_state(network: Network, config: TrainConfig, *, device: jax.Device) -> TrainState:
    """Return the shapes, types and place of a state's arrays."""
    sharding = jax.sharding.SingleDeviceSharding(device)
    shapes = jax.eval_shape(lambda: _fresh_state(network, config))
    state: TrainState = jax.tree.map(lambda shape: shape.update(sharding=sharding), shapes)
    return state


def train_step(
    state: TrainState, batch: Batch, *, network: Network, config: TrainConfig
) -> tuple[TrainState, StepMetrics]:
    """Return the state after one step of AdamW."""
    (loss, gradients) = jax.value_and_grad(lambda params: mean_loss(network, params, batch))(state.params)
    optimizer = make_optimizer(config)
    updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    metrics = StepMetrics(loss, optax.tree.norm(gradients), learning_rate_at(state.step, config=config))
    return TrainState(state.step + 1, params, opt_state), metrics


def mean_loss(network: Network, params: Params, batch: Batch) -> jax.Array:
    """Return the loss in nats per supervised token of the batch."""
    total = loss_sum(network, params, batch)
    return total.nats / total.num_supervised


def loss_sum(network: Network, params: Params, batch: Batch) -> LossSum:
    """Return the loss of a batch as a sum, for means over several batches."""
    inputs, targets, weights, segment_ids, positions = map(jnp.asarray, batch)
    decoder = network.bind(params)
    hidden = decoder.hidden(inputs, positions=positions, mask=segment_mask(segment_ids)).hidden
    return cross_entropy(decoder.logits(hidden), targets, weights)


def cross_entropy(logits: jax.Array, targets: jax.Array, weights: jax.Array) -> LossSum:
    """Return the weighted negative log-likelihood of the targets.

    The target's score is picked by comparison, which XLA fuses into the sum; indexing would scatter one
    element at a time in the gradient.

    Args:
        logits: shape (batch, length, vocab).
        targets: shape (batch, length).
        weights: shape (batch, length).
    """
    is_target = jnp.arange(logits.shape[-1]) == targets[..., None]
    target_logits = jnp.sum(jnp.where(is_target, logits, 0.0), axis=-1)
    nats = jax.nn.logsumexp(logits, axis=-1) - target_logits
    return LossSum(jnp.sum(nats * weights), jnp.sum(weights))


def make_optimizer(config: TrainConfig) -> optax.GradientTransformation:
    """Return AdamW behind a clip of the global norm; vectors, which are norms here, do not decay."""
    return optax.chain(
        optax.clip_by_global_norm(config.grad_clip_norm),
        optax.adamw(
            functools.partial(learning_rate_at, config=config),
            b1=config.adam_b1,
            b2=config.adam_b2,
            weight_decay=config.weight_decay,
            mask=lambda params: jax.tree.map(lambda value: value.ndim > 1, params),
        ),
    )


def learning_rate_at(step: jax.Array, *, config: TrainConfig) -> jax.Array:
    """Return the rate of the step after `step` steps: a linear rise to the peak, then half a cosine."""
    warmup = min(config.warmup_steps, config.num_train_steps)
    rise = (step + 1) / max(warmup, 1)
    progress = (step - warmup) / max(config.num_train_steps - warmup, 1)
    floor = config.min_learning_rate_ratio
    fall = floor + (1 - floor) * 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(progress, 0, 1)))
    return config.learning_rate * jnp.where(step < warmup, rise, fall)


def _fresh_state(network: Network, config: TrainConfig) -> TrainState:
    params = network.init(jax.random.key(config.seed))
    return TrainState(jnp.zeros((), jnp.int32), params, make_optimizer(config).init(params))
