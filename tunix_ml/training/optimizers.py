"""Optimizers by name, and the schedule of their learning rate.

Every rule sees the matrices that a decoder consists of: where equal layers are held stacked, shape
(layers, in, out), each layer is treated as the matrix it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from tunix_ml.contracts.training import TrainConfig
from tunix_ml.modeling.decoder import Params

_VECTORS = (".scale", ".bias")
_NOT_HIDDEN = (".embedding", "lm_head.kernel")
_MUON_BETA = 0.95
_MUON_RMS = 0.2
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_SMALLEST_NORM = 1e-7
_SMALLEST_FACTORED = 128
_ADAFACTOR_CLIP = 1.0


def make_optimizer(config: TrainConfig, num_steps: int) -> optax.GradientTransformation:
    """Return the rule of a config, its weight decay and its schedule; clipping is `clip`.

    Args:
        config: names and settings.
        num_steps: optimizer steps of the run, which the schedule spans.
    """
    return optax.chain(
        _RULES[config.optimizer](config),
        optax.add_decayed_weights(config.weight_decay, mask=_decays),
        optax.scale_by_learning_rate(lambda step: learning_rate_at(step, config=config, num_steps=num_steps)),
    )


def learning_rate_at(step: jax.Array, *, config: TrainConfig, num_steps: int) -> jax.Array:
    """Return the rate of the step after `step` steps: a linear rise to the peak, then the schedule's fall."""
    warmup = min(config.warmup_steps, num_steps)
    rise = (step + 1) / max(warmup, 1)
    progress = jnp.clip((step - warmup) / max(num_steps - warmup, 1), 0, 1)
    left = {
        "constant": jnp.ones_like(progress),
        "linear": 1 - progress,
        "cosine": 0.5 * (1 + jnp.cos(jnp.pi * progress)),
    }[config.schedule]
    floor = config.min_learning_rate_ratio
    return config.learning_rate * jnp.where(step < warmup, rise, floor + (1 - floor) * left)


def clip(gradients: Params, *, norm: jax.Array, limit: float) -> Params:
    """Return the gradients scaled so that their global norm is at most the limit.

    Args:
        gradients: of any shapes.
        norm: their global norm.
        limit: above zero.
    """
    factor = jnp.where(norm > limit, limit / norm, 1.0)
    clipped: Params = jax.tree.map(lambda gradient: gradient * factor, gradients)
    return clipped


def orthogonalise(matrix: jax.Array) -> jax.Array:
    """Return about the nearest matrix with singular values of one: all of them lie between 0.7 and 1.2.

    Source: https://kellerjordan.github.io/posts/muon, the Newton-Schulz iteration of fifth order.
    """
    linear, cubic, quintic = _NEWTON_SCHULZ
    x: jax.Array = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (jnp.linalg.norm(x) + _SMALLEST_NORM)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        square = x @ x.T
        x = linear * x + (cubic * square + quintic * (square @ square)) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def each_layer_apart(transform: optax.GradientTransformation) -> optax.GradientTransformation:
    """Apply a transformation to matrices and vectors alone, and to each layer of those that are stacked.

    Its state is a dict: "0" for parameters of one layer, else the number of layers stacked.
    """

    def init(params: Params) -> dict[str, Any]:
        return {
            str(size): _over_layers(transform.init, size)(group) for size, group in _by_layers(params).items()
        }

    def update(
        updates: Params, state: Mapping[str, Any], params: Params | None = None
    ) -> tuple[Params, dict[str, Any]]:
        if params is None:
            raise ValueError("each_layer_apart needs the parameters")
        new_updates, new_state = dict(updates), {}
        for size, group in _by_layers(params).items():
            own = {name: updates[name] for name in group}
            own, new_state[str(size)] = _over_layers(transform.update, size)(own, state[str(size)], group)
            new_updates |= own
        return new_updates, new_state

    return optax.GradientTransformation(init, update)


def _adamw(config: TrainConfig) -> optax.GradientTransformation:
    """Source: https://arxiv.org/abs/1711.05101."""
    return optax.scale_by_adam(b1=config.adam_b1, b2=config.adam_b2)


def _lion(config: TrainConfig) -> optax.GradientTransformation:
    """Source: https://arxiv.org/abs/2302.06675."""
    return optax.scale_by_lion(b1=config.adam_b1, b2=config.adam_b2)


def _adafactor(config: TrainConfig) -> optax.GradientTransformation:  # noqa: ARG001 - its decay is a schedule
    """Without first moment, with steps relative to each parameter. Source: https://arxiv.org/abs/1804.04235."""
    return each_layer_apart(
        optax.chain(
            optax.scale_by_factored_rms(min_dim_size_to_factor=_SMALLEST_FACTORED),
            optax.clip_by_block_rms(_ADAFACTOR_CLIP),
            optax.scale_by_param_block_rms(),
        )
    )


def _muon(config: TrainConfig) -> optax.GradientTransformation:
    """Muon for the matrices inside the layers, AdamW for embedding, head, norms and biases.

    The updates are scaled to AdamW's root mean square, so that both live with one learning rate and decay.
    Source: https://kellerjordan.github.io/posts/muon and https://arxiv.org/abs/2502.16982.
    """
    matrices = optax.chain(
        optax.trace(_MUON_BETA, nesterov=True), optax.stateless_with_tree_map(_orthogonal_to_rms)
    )
    return optax.partition({"muon": matrices, "adamw": _adamw(config)}, _muon_or_adamw)


_RULES: dict[str, Callable[[TrainConfig], optax.GradientTransformation]] = {
    "adamw": _adamw,
    "adafactor": _adafactor,
    "lion": _lion,
    "muon": _muon,
}


def _decays(params: Params) -> dict[str, bool]:
    """Say by name what decays: a stacked norm has two dimensions and is none the less made of vectors."""
    return {name: not name.endswith(_VECTORS) for name in params}


def _muon_or_adamw(params: Params) -> dict[str, str]:
    return {name: "adamw" if name.endswith(_VECTORS + _NOT_HIDDEN) else "muon" for name in params}


def _orthogonal_to_rms(update: jax.Array, _: jax.Array | None) -> jax.Array:
    """Return a matrix made orthogonal, or each of those stacked, of a fixed root mean square.

    Stacked ones come one after the other: XLA's batched products are slow on a CPU.
    """
    is_one = update.ndim == 2
    orthogonal: jax.Array = orthogonalise(update) if is_one else jax.lax.map(orthogonalise, update)
    scaled: jax.Array = _MUON_RMS * max(update.shape[-2:]) ** 0.5 * orthogonal
    return scaled


def _by_layers(params: Params) -> dict[int, Params]:
    """Return the parameters by the number of layers stacked in them, 0 for those of one layer."""
    groups: dict[int, Params] = {}
    for name, value in params.items():
        if isinstance(value, optax.MaskedNode):  # of another rule
            continue
        is_stacked = value.ndim > (1 if name.endswith(_VECTORS) else 2)
        groups.setdefault(value.shape[0] if is_stacked else 0, {})[name] = value
    return groups


def _over_layers(function: Callable[..., Any], num_layers: int) -> Callable[..., Any]:
    return jax.vmap(function) if num_layers else function
