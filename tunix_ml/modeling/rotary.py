"""Rotary positions: their frequencies, angles and rotation. Source: https://arxiv.org/abs/2104.09864."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tunix_ml.modeling.config import LinearScaling, Llama3Scaling, Rope


class Angles(NamedTuple):
    """Cosines and sines of the angles, each of shape (batch, 1, length, head_dim / 2)."""

    cosines: jax.Array
    sines: jax.Array


def rotary_angles(positions: jax.Array, rope: Rope, *, head_dim: int) -> Angles:
    """Return the angles of positions of shape (batch, length)."""
    frequencies = jnp.asarray(rotary_frequencies(rope, head_dim=head_dim))
    angles = positions[:, None, :, None] * frequencies
    return Angles(jnp.cos(angles), jnp.sin(angles))


def rotary_frequencies(rope: Rope, *, head_dim: int) -> np.ndarray:
    """Return the angle per position of each pair, in radians, shape (head_dim / 2,).

    Rounded to float32 after each operation, as Hugging Face does: the last bit of a frequency, times some
    ten thousand positions, would show in the logits.
    """
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    wavelengths = np.power(rope.theta, exponents, dtype=np.float64).astype(np.float32)
    frequencies: np.ndarray = np.float32(1) / wavelengths
    match rope.scaling:
        case LinearScaling(factor=factor):
            frequencies = frequencies / np.float32(factor)
        case Llama3Scaling():
            frequencies = _stretch_low(frequencies, rope.scaling)
    return frequencies


def rotate(x: jax.Array, angles: Angles) -> jax.Array:
    """Turn each pair of (batch, heads, length, head_dim); as in Hugging Face, pairs are the two halves."""
    first, second = jnp.split(x, 2, axis=-1)
    cosines, sines = angles
    turned = [first * cosines - second * sines, second * cosines + first * sines]
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def _stretch_low(frequencies: np.ndarray, scaling: Llama3Scaling) -> np.ndarray:
    """Divide the frequencies that turn seldom within the original length."""
    length = np.float32(scaling.original_max_position_embeddings)
    turns = length / (np.float32(2 * math.pi) / frequencies)
    low, high = np.float32(scaling.low_freq_factor), np.float32(scaling.high_freq_factor)
    share_kept = np.clip((turns - low) / (high - low), 0, 1)
    stretched = frequencies / np.float32(scaling.factor)
    mixed: np.ndarray = (1 - share_kept) * stretched + share_kept * frequencies
    return mixed
