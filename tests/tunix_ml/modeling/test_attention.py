import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.modeling.attention import attend, attend_causally, attend_fused, is_exact

LENGTH = 141  # three blocks of queries
SCALE = 0.3
Gradients = tuple[jax.Array, jax.Array, jax.Array]


def drawn(seed: int, num_heads: int, length: int = LENGTH) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (2, num_heads, length, 8))


Q, K, V = drawn(0, 4), drawn(1, 2), drawn(2, 2)
SEGMENTS = jnp.array([[1] * 100 + [2] * 41, [1] * 20 + [2] * 121])
MASK = (jnp.tril(jnp.ones((LENGTH, LENGTH), bool)) & (SEGMENTS[:, :, None] == SEGMENTS[:, None]))[:, None]


def written_out(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    mask: jax.Array,
    *,
    scale: float,
    softcap: float | None = None,
    window: int | None = None,
) -> jax.Array:
    k, v = (jnp.repeat(x, q.shape[1] // k.shape[1], axis=1) for x in (k, v))
    scores = scale * jnp.einsum("bhqd,bhkd->bhqk", q, k)
    if softcap:
        scores = softcap * jnp.tanh(scores / softcap)
    places = jnp.arange(mask.shape[-1])
    mask = mask & (places[:, None] - places < (window or math.inf))
    return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)), v)


def with_gradients(function: Callable[..., jax.Array], **options: Any) -> tuple[jax.Array, Gradients]:
    weights = drawn(3, 4)

    def weighted(q: jax.Array, k: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        mixed = function(q, k, v, MASK, scale=SCALE, **options)
        return jnp.sum(mixed * weights), mixed

    gradients, mixed = jax.jit(jax.grad(weighted, argnums=(0, 1, 2), has_aux=True))(Q, K, V)
    return mixed, gradients


@pytest.mark.parametrize("options", [{}, {"softcap": 2.0, "window": 70}, {"window": 5}])
def test_blocks_and_windows_and_bounds_are_the_formula_written_out(options: dict[str, Any]) -> None:
    mixed, gradients = with_gradients(attend_causally, **options)
    expected, expected_gradients = with_gradients(written_out, **options)

    np.testing.assert_allclose(mixed, expected, atol=1e-5)  # another order of sums
    for mine, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_bfloat16_is_as_near_as_its_eight_bits_allow() -> None:
    mixed, gradients = with_gradients(attend_causally, softcap=2.0, precision="bfloat16")
    expected, expected_gradients = with_gradients(written_out, softcap=2.0)

    # Operands are off by at most 1/256 of their own size, twice in a row in the gradients.
    for mine, other in zip((mixed, *gradients), (expected, *expected_gradients), strict=True):
        np.testing.assert_allclose(mine, other, atol=2 / 128 * float(jnp.max(jnp.abs(other))))


def test_the_fused_function_does_the_same() -> None:
    """With an odd number of tokens; cuDNN's implementation of it needs a GPU, XLA's does not."""
    mixed, gradients = with_gradients(attend_fused, implementation="xla")
    expected, expected_gradients = with_gradients(written_out)

    # XLA's implementation rounds the scores to bfloat16 too.
    for mine, other in zip((mixed, *gradients), (expected, *expected_gradients), strict=True):
        np.testing.assert_allclose(mine, other, atol=4 / 128 * float(jnp.max(jnp.abs(other))))


def test_no_gradient_crosses_a_border_between_examples() -> None:
    def of_second(k: jax.Array) -> jax.Array:
        return jnp.sum(jnp.sin(attend_causally(Q, k, V, MASK, scale=SCALE)[0, :, 100:]))

    gradient = jax.grad(of_second)(K)

    assert not gradient[0, :, :100].any()
    assert gradient[0, :, 100:].any()


def test_a_query_that_sees_nothing_pulls_at_nothing() -> None:
    blind = MASK.at[:, :, 3].set(False)

    gradient = jax.grad(lambda q: jnp.sum(jnp.sin(attend(q, K, V, blind, scale=SCALE))))(Q)

    assert not gradient[:, :, 3].any()
    assert jnp.isfinite(gradient).all()


def test_one_query_may_meet_many_slots() -> None:
    all_at_once = attend(Q, K, V, MASK, scale=SCALE)

    last = attend(Q[:, :, -1:], K, V, MASK[:, :, -1:], scale=SCALE)

    np.testing.assert_allclose(last, all_at_once[:, :, -1:], atol=1e-6)


def test_a_fused_kernel_is_used_only_where_it_runs_and_agrees() -> None:
    assert is_exact("xla", 16)
    assert not is_exact("cudnn", 16)  # there is none for a CPU


def test_a_fused_kernel_is_asked_about_in_the_middle_of_a_compilation() -> None:
    answer = jax.jit(lambda x: x + is_exact("xla", 16))(1)

    assert answer == 2
