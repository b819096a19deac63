import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.modeling.products import product, products

X, KERNEL = jax.random.normal(jax.random.key(0), (3, 4)), jax.random.normal(jax.random.key(1), (4, 5))


def rounded(x: jax.Array) -> jax.Array:
    return x.astype(jnp.bfloat16).astype(jnp.float32)


def test_gradients_are_those_of_jax() -> None:
    ours = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(product(x, kernel))), argnums=(0, 1))(X, KERNEL)
    theirs = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(x @ kernel)), argnums=(0, 1))(X, KERNEL)

    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)


def test_several_kernels_give_what_each_gives_alone() -> None:
    left, right = products(X, [KERNEL, KERNEL[:, :2]])

    np.testing.assert_allclose(left, X @ KERNEL, rtol=1e-6)
    np.testing.assert_allclose(right, X @ KERNEL[:, :2], rtol=1e-6)


def test_bfloat16_rounds_the_operands_alone() -> None:
    result = product(X, KERNEL, precision="bfloat16")

    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, rounded(X) @ rounded(KERNEL), rtol=1e-6)


def test_bfloat16_operands_are_summed_in_float32() -> None:
    """A sum in bfloat16 would stay at 256, where its next number is 258."""
    result = product(jnp.ones((1, 1001)), jnp.ones((1001, 1)), precision="bfloat16")

    assert float(result[0, 0]) == 1001


@pytest.mark.parametrize("is_tied", [False, True])
def test_gradients_of_bfloat16_round_the_same_operands(is_tied: bool) -> None:
    """A tied kernel arrives transposed; XLA has refused to run a product made from that."""
    stored = jnp.copy(KERNEL.T) if is_tied else KERNEL

    @jax.jit
    def gradients(x: jax.Array, stored: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        def weighted(x: jax.Array, stored: jax.Array) -> jax.Array:
            return jnp.sum(product(x, stored.T if is_tied else stored, precision="bfloat16") * weights)

        return jax.grad(weighted, argnums=(0, 1))(x, stored)

    weights = jnp.arange(15.0).reshape(3, 5) / 7
    by_x, by_kernel = gradients(X, stored, weights)

    np.testing.assert_allclose(by_x, rounded(weights) @ rounded(KERNEL).T, rtol=1e-6)
    expected = rounded(X).T @ rounded(weights)
    np.testing.assert_allclose(by_kernel.T if is_tied else by_kernel, expected, rtol=1e-6)


def test_types_of_activations_and_parameters_are_kept() -> None:
    x = X.astype(jnp.bfloat16)

    result, pull_back = jax.vjp(lambda x, kernel: product(x, kernel, precision="bfloat16"), x, KERNEL)
    by_x, by_kernel = pull_back(result)

    assert (result.dtype, by_x.dtype, by_kernel.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
