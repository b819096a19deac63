"""Matrix products of activations and kernels, with their gradients, in a chosen precision."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

from tunix_ml.contracts.training import Precision


def product(x: jax.Array, kernel: jax.Array, *, precision: Precision = "float32") -> jax.Array:
    """Multiply (rows, in) by (in, out), with two-dimensional products for the gradients as well.

    Args:
        x: activations; the result and the gradient have their type.
        kernel: parameters; their gradient has their type.
        precision: of the operands. Sums are float32 either way.
    """
    return _product(x, kernel, precision)


def products(
    x: jax.Array, kernels: Sequence[jax.Array], *, precision: Precision = "float32"
) -> list[jax.Array]:
    """Multiply (rows, in) by several kernels in one product."""
    ends = [sum(kernel.shape[1] for kernel in kernels[: index + 1]) for index in range(len(kernels) - 1)]
    return jnp.split(product(x, jnp.concatenate(kernels, axis=1), precision=precision), ends, axis=1)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(x: jax.Array, kernel: jax.Array, precision: Precision) -> jax.Array:
    return _forward(x, kernel, precision)[0]


def _forward(
    x: jax.Array, kernel: jax.Array, precision: Precision
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    operands = as_operand(x, precision), as_operand(kernel, precision)
    return sum_of_products(*operands).astype(x.dtype), operands


def _backward(
    precision: Precision, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    operand = as_operand(gradient, precision)
    return sum_of_products(operand, kernel.T).astype(gradient.dtype), sum_of_products(x.T, operand)


_product.defvjp(_forward, _backward)


def sum_of_products(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the matrix product over the last two axes as float32, without a gradient of its own.

    XLA's fast product for a CPU takes bfloat16 only if the rows of both operands and of the result lie one
    after the other in memory. Other layouts it widens to float32, which takes twice the time, or refuses
    when it runs (jaxlib 0.10.2); so a transposed bfloat16 operand is copied.
    """
    if x.dtype != jnp.bfloat16:
        return jnp.matmul(x, y, preferred_element_type=jnp.float32)
    found: jax.Array = jax.lax.platform_dependent(x, y, cpu=_row_by_row, default=_as_it_lies)
    return found


def as_operand(x: jax.Array, precision: Precision) -> jax.Array:
    """Return an array in the type that a product takes it in."""
    return x.astype(jnp.bfloat16) if precision == "bfloat16" else x


def _row_by_row(x: jax.Array, y: jax.Array) -> jax.Array:
    if jax.device_count() > 1:  # where a program is shared out, a fixed layout gathers the whole operand
        return _as_it_lies(x, y)
    return _in_rows(_as_it_lies(_in_rows(x), _in_rows(y)))


def _as_it_lies(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.matmul(x, y, preferred_element_type=jnp.float32)


def _in_rows(x: jax.Array) -> jax.Array:
    rows_first = Layout(major_to_minor=tuple(range(x.ndim)))
    placed: jax.Array = with_layout_constraint(x, rows_first)  # type: ignore[no-untyped-call]
    return placed
