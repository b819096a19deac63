import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tunix_ml.modeling.config import LayerKind, ModelConfig
from tunix_ml.modeling.layers import Attending, Attention, Dropout, Layer, LayerCache, Linear, Setup, project
from tunix_ml.modeling.lora import LoraConfig

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=64,
)
SETUP = Setup(CONFIG, lora=LoraConfig(rank=2, alpha=6.0, targets="(q|up)_proj"))
STATES = jax.random.normal(jax.random.key(5), (6, 16))
PLAIN = LayerKind(window=None, rope=None)


def linear(name: str, **options: bool) -> Linear:
    return Linear(SETUP, name, (16, 8), stddev=1.0, rngs=nnx.Rngs(params=0, lora=1), **options)


def attending(**changes: object) -> Attending:
    mask = jnp.tril(jnp.ones((2, 1, 3, 3), bool))
    return Attending({}, mask, 0, None)._replace(**changes)


def test_modules_in_one_product_give_what_they_give_alone() -> None:
    with_adapter, with_bias = linear("q_proj"), linear("o_proj", has_bias=True)
    with_adapter.lora_b[...] = jnp.ones((2, 8))
    with_bias.bias[...] = jnp.arange(8.0)

    together = project(STATES, with_adapter, with_bias)

    alone = STATES @ with_bias.kernel[...] + jnp.arange(8.0)
    np.testing.assert_allclose(
        together[0], with_adapter(STATES), rtol=1e-5, atol=1e-5
    )  # sums in another order
    np.testing.assert_allclose(together[1], alone, rtol=1e-5, atol=1e-5)


def test_only_targets_get_an_adapter_and_a_fresh_one_changes_nothing() -> None:
    assert not hasattr(linear("o_proj"), "lora_a")
    np.testing.assert_array_equal(linear("q_proj")(STATES), linear("o_proj")(STATES))


def test_an_adapter_adds_its_low_rank_product_by_alpha_over_rank() -> None:
    adapted = linear("up_proj")
    adapted.lora_b[...] = jnp.ones((2, 8))

    update = adapted(STATES) - STATES @ adapted.kernel[...]

    expected = 3.0 * STATES @ adapted.lora_a[...] @ jnp.ones((2, 8))
    np.testing.assert_allclose(update, expected, atol=1e-5)


def test_dropout_zeroes_whole_shares_of_the_updates_and_keeps_their_mean() -> None:
    layer = Layer(Setup(dataclasses.replace(CONFIG, attention_bias=True)), rngs=nnx.Rngs(0))
    for kernel in (layer.self_attn.o_proj.kernel, layer.mlp.down_proj.kernel):
        kernel[...] = jnp.zeros(kernel.shape)
    layer.self_attn.o_proj.bias[...] = jnp.ones(16)
    states = jnp.zeros((2_000, 16))
    wide = attending(mask=jnp.ones((2_000, 1, 1, 1), bool), dropout=Dropout(jax.random.key(0), 0.25))

    after, _ = layer(states, wide, PLAIN, index=0)

    assert set(np.unique(after)) == {np.float32(0), np.float32(1 / 0.75)}
    np.testing.assert_allclose(jnp.mean(after), 1.0, atol=0.02)  # 32,000 draws


def test_every_layer_drops_other_elements() -> None:
    layer = Layer(Setup(CONFIG), rngs=nnx.Rngs(0))
    dropping = attending(dropout=Dropout(jax.random.key(0), 0.5))

    first, again, second = (layer(STATES, dropping, PLAIN, index=index)[0] for index in (0, 0, 1))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_each_row_writes_its_own_slots_of_a_cache() -> None:
    attention = Attention(Setup(CONFIG), rngs=nnx.Rngs(0))
    empty = LayerCache(jnp.zeros((2, 2, 5, 4)), jnp.zeros((2, 2, 5, 4)))
    mask = jnp.ones((2, 1, 3, 5), bool)

    _, together = attention(STATES, attending(mask=mask, slot=1), PLAIN, empty)
    _, apart = attention(STATES, attending(mask=mask, slot=jnp.array([0, 2])), PLAIN, empty)

    assert together is not None
    assert apart is not None
    np.testing.assert_array_equal(apart.keys[0, :, :3], together.keys[0, :, 1:4])
    np.testing.assert_array_equal(apart.values[1, :, 2:], together.values[1, :, 1:4])
    assert not apart.keys[0, :, 3:].any()


def test_a_window_over_a_cache_counts_its_slots() -> None:
    attention = Attention(Setup(CONFIG), rngs=nnx.Rngs(0))
    cache = LayerCache(jnp.ones((2, 2, 5, 4)), jnp.ones((2, 2, 5, 4)).at[:, :, 0].set(100.0))
    slots = attending(mask=jnp.tril(jnp.ones((2, 1, 3, 5), bool), 2), slot=2)

    near, _ = attention(STATES, slots, PLAIN._replace(window=2), cache)
    far, _ = attention(STATES, slots, PLAIN._replace(window=5), cache)

    without_first, _ = attention(
        STATES, slots, PLAIN._replace(window=2), cache._replace(values=jnp.ones((2, 2, 5, 4)))
    )
    np.testing.assert_array_equal(near, without_first)
    assert not np.allclose(near, far)
