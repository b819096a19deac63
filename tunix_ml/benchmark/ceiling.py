"""What the hardware could do: the operations that a token needs, and the fastest matrix product measured."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp

from tunix_ml.contracts.benchmark import Ceiling
from tunix_ml.contracts.training import Precision
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network

_NUM_REPEATS = 7
_SQUARE = {"cpu": 2048}
_LARGE_SQUARE = 8192
_OPERATIONS = 6  # a multiplication and an addition, once forward and twice backward


def flops_per_token(config: ModelConfig, *, seq_len: int) -> float:
    """Return the floating-point operations of forward and backward for one token of a full row.

    The parameters of every product count, the head's once, the embedding's table not; and of the attention
    what a causal one needs: each token meets the keys before it, half of the row on average.

    Source: https://arxiv.org/abs/2204.02311, appendix B, which counts the whole row for the attention.
    """
    params = Network(config).abstract_params()
    kernels = sum(value.size for name, value in params.items() if name.endswith(".kernel"))
    if config.tie_word_embeddings:
        kernels += config.vocab_size * config.hidden_size
    width = config.num_attention_heads * config.head_dim
    attention = config.num_hidden_layers * width * seq_len  # scores and mixture, of half of the row each
    return float(_OPERATIONS * (kernels + attention))


def measure_ceiling(config: ModelConfig, *, rows: int, precision: Precision, device: jax.Device) -> Ceiling:
    """Return the fastest of the products the model does with `rows` tokens and of a large square one."""
    square = _SQUARE.get(device.platform, _LARGE_SQUARE)
    sizes = {
        (square, square, square),
        (rows, config.hidden_size, config.intermediate_size),
        (rows, config.hidden_size, config.vocab_size),
    }
    return max(
        (_measure(size, precision, device) for size in sorted(sizes)),
        key=lambda ceiling: ceiling.flops_per_second,
    )


def _measure(size: tuple[int, int, int], precision: Precision, device: jax.Device) -> Ceiling:
    rows, inner, columns = size
    x, kernel = jnp.ones((rows, inner)), jnp.ones((inner, columns))
    if precision == "bfloat16":
        x, kernel = x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    x, kernel = jax.device_put((x, kernel), device)
    multiply = jax.jit(lambda x, kernel: jnp.matmul(x, kernel, preferred_element_type=jnp.float32))
    multiply(x, kernel).block_until_ready()  # compiled
    fastest_s = min(_seconds(lambda: multiply(x, kernel)) for _ in range(_NUM_REPEATS))
    flops = 2.0 * rows * inner * columns
    return Ceiling(rows=rows, inner=inner, columns=columns, flops_per_second=flops / fastest_s)


def _seconds(work: Callable[[], jax.Array]) -> float:
    start = time.perf_counter()
    work().block_until_ready()
    return time.perf_counter() - start
