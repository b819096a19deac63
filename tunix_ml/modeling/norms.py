"""The norms: by root mean square or by standard deviation, always in float32."""

import jax
import jax.numpy as jnp
from flax import nnx

from tunix_ml.modeling.config import ModelConfig


class RMSNorm(nnx.Module):  # type: ignore[misc]
    """Scale by the root mean square over the last axis. Source: https://arxiv.org/abs/1910.07467."""

    def __init__(self, size: int, *, eps: float, offset: float = 0.0) -> None:
        self.scale = nnx.Param(jnp.full(size, 1.0 - offset))
        self.eps = eps
        self.offset = offset

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the scaled states, shape and type unchanged."""
        wide = x.astype(jnp.float32)
        variance = jnp.mean(jnp.square(wide), axis=-1, keepdims=True)
        scale: jax.Array = self.scale[...] + self.offset if self.offset else self.scale[...]
        return (wide * jax.lax.rsqrt(variance + self.eps) * scale).astype(x.dtype)


class LayerNorm(nnx.Module):  # type: ignore[misc]
    """Centre and scale by the standard deviation over the last axis.

    Source: https://arxiv.org/abs/1607.06450.
    """

    def __init__(self, size: int, *, eps: float) -> None:
        self.scale = nnx.Param(jnp.ones(size))
        self.bias = nnx.Param(jnp.zeros(size))
        self.eps = eps

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the normalised states, shape and type unchanged."""
        wide = x.astype(jnp.float32)
        centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
        normed: jax.Array = centred * jax.lax.rsqrt(variance + self.eps) * self.scale[...] + self.bias[...]
        return normed.astype(x.dtype)


Norm = RMSNorm | LayerNorm


def make_norm(config: ModelConfig, size: int) -> Norm:
    """Return a fresh norm of the family's kind."""
    match config.family.norm:
        case "layer":
            return LayerNorm(size, eps=config.norm_eps)
        case "rms_plus_one":
            return RMSNorm(size, eps=config.norm_eps, offset=1.0)
        case "rms":
            return RMSNorm(size, eps=config.norm_eps)
