import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.training import Precision
from tunix_ml.training.loss import LossSum, chunked_cross_entropy, num_chunks_for

ROWS, WIDTH, VOCAB = 10, 6, 13
HIDDEN = jax.random.normal(jax.random.key(0), (ROWS, WIDTH))
KERNEL = jax.random.normal(jax.random.key(1), (WIDTH, VOCAB))
TARGETS = jax.random.randint(jax.random.key(2), (ROWS,), 0, VOCAB)
WEIGHTS = jnp.array([1.0, 0.0, 0.5, 1.0, 1.0, 0.0, 2.0, 1.0, 1.0, 1.0])
MEBIBYTE = 1 << 20


def written_out(
    hidden: jax.Array,
    kernel: jax.Array,
    targets: jax.Array,
    weights: jax.Array,
    *,
    softcap: float | None = None,
) -> LossSum:
    logits = hidden @ kernel
    if softcap:
        logits = softcap * jnp.tanh(logits / softcap)
    nats = -jnp.take_along_axis(jax.nn.log_softmax(logits), targets[:, None], axis=1)[:, 0]
    return LossSum(jnp.sum(nats * weights), jnp.sum(weights))


def with_gradients(loss: Callable[..., LossSum], **options: Any) -> list[jax.Array]:
    def mean(hidden: jax.Array, kernel: jax.Array, weights: jax.Array) -> jax.Array:
        total = loss(hidden, kernel, TARGETS, weights, **options)
        return total.nats / total.num_supervised

    value, gradients = jax.jit(jax.value_and_grad(mean, argnums=(0, 1, 2)))(HIDDEN, KERNEL, WEIGHTS)
    return [value, *gradients]


def test_the_loss_is_the_weighted_negative_log_likelihood_in_nats() -> None:
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]))

    total = chunked_cross_entropy(logits, jnp.eye(3), jnp.array([0, 2, 1]), jnp.array([1.0, 0.0, 1.0]))

    assert float(total.nats) == pytest.approx(math.log(2) - math.log(0.3), rel=1e-6)
    assert float(total.num_supervised) == 2


@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("num_chunks", [1, 3])
def test_chunks_give_the_formula_written_out_and_its_gradients(
    softcap: float | None, num_chunks: int
) -> None:
    """Three chunks do not divide thirteen tokens."""
    ours = with_gradients(chunked_cross_entropy, softcap=softcap, num_chunks=num_chunks)
    expected = with_gradients(written_out, softcap=softcap)

    for mine, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)  # another order of sums


def test_chunks_give_the_same_value_without_a_gradient() -> None:
    total = chunked_cross_entropy(HIDDEN, KERNEL, TARGETS, WEIGHTS, num_chunks=4)

    assert float(total.nats) == pytest.approx(
        float(written_out(HIDDEN, KERNEL, TARGETS, WEIGHTS).nats), rel=1e-6
    )


def test_bfloat16_is_as_near_as_its_eight_bits_allow() -> None:
    ours = with_gradients(chunked_cross_entropy, precision="bfloat16", num_chunks=1)
    expected = with_gradients(written_out)

    # Operands are off by at most 1/256 of their own size, and so is the gradient that meets them again.
    for mine, other in zip(ours, expected, strict=True):
        assert mine.dtype == jnp.float32
        np.testing.assert_allclose(mine, other, atol=3 / 256 * float(jnp.max(jnp.abs(other))))


def test_a_tied_embedding_gets_the_gradient_of_its_transpose() -> None:
    def nats(kernel: jax.Array) -> jax.Array:
        return chunked_cross_entropy(HIDDEN, kernel, TARGETS, WEIGHTS, precision="bfloat16").nats

    tied = jax.jit(jax.grad(lambda embedding: nats(embedding.T)))(KERNEL.T)

    np.testing.assert_allclose(tied.T, jax.jit(jax.grad(nats))(KERNEL), rtol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_logits_of_a_large_vocabulary_never_exist_at_once(precision: Precision) -> None:
    rows, vocab = 1024, 32_768  # 128 MiB of logits
    arguments = (jnp.zeros((rows, 8)), jnp.zeros((8, vocab)), jnp.zeros(rows, jnp.int32), jnp.ones(rows))

    def needed_mebibytes(num_chunks: int) -> float:
        def nats(*arguments: jax.Array) -> jax.Array:
            return chunked_cross_entropy(*arguments, precision=precision, num_chunks=num_chunks).nats

        compiled = jax.jit(jax.grad(nats, argnums=(0, 1))).lower(*arguments).compile()
        return compiled.memory_analysis().temp_size_in_bytes / MEBIBYTE

    assert needed_mebibytes(1) >= 128
    assert needed_mebibytes(16) < 24  # two of 8 MiB, and the operands


def test_only_a_large_vocabulary_is_worked_through_in_chunks() -> None:
    assert num_chunks_for(16 * 127, 4_096) == 1
    assert num_chunks_for(4 * 127, 50_257) == 1
    assert num_chunks_for(8 * 255, 262_144) == 16
    assert num_chunks_for(8 * 255, 262_139) == 16  # a prime
    assert num_chunks_for(2, 3 << 26) == 12
