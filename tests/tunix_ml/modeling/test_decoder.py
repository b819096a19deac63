import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params, num_params, product, segment_mask

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=4,
    max_position_embeddings=512,
)
NETWORK = Network(CONFIG)


@pytest.fixture(scope="module")
def params() -> Params:
    return NETWORK.init(jax.random.key(0))


def logits(params: Params, ids: list[int], segments: list[int], positions: list[int]) -> np.ndarray:
    return np.asarray(_logits(params, *(jnp.array([row]) for row in (ids, segments, positions))))[0]


@jax.jit
def _logits(params: Params, ids: jax.Array, segments: jax.Array, positions: jax.Array) -> jax.Array:
    decoder = NETWORK.bind(params)
    return decoder.logits(decoder.hidden(ids, positions=positions, mask=segment_mask(segments)).hidden)


def test_parameters_bear_huggingface_names_and_come_in_one_flat_dict(params: Params) -> None:
    assert params["model.layers.1.self_attn.k_proj.kernel"].shape == (16, 8)
    assert params["model.embed_tokens.embedding"].shape == (40, 16)
    assert "lm_head.kernel" not in params
    assert num_params(params) == 40 * 16 + 2 * (16 * (16 + 8 + 8 + 16) + 3 * 16 * 24 + 2 * 16) + 16


def test_an_untied_head_has_its_own_kernel() -> None:
    network = Network(dataclasses.replace(CONFIG, tie_word_embeddings=False))

    assert network.abstract_params()["lm_head.kernel"].shape == (16, 40)


def test_the_same_key_gives_the_same_parameters(params: Params) -> None:
    again = NETWORK.init(jax.random.key(0))

    assert all(np.array_equal(params[name], again[name]) for name in params)


def test_no_token_sees_a_later_one(params: Params) -> None:
    before = logits(params, [5, 6, 7, 8], [1] * 4, [0, 1, 2, 3])
    after = logits(params, [5, 6, 7, 9], [1] * 4, [0, 1, 2, 3])

    np.testing.assert_array_equal(before[:3], after[:3])
    assert not np.array_equal(before[3], after[3])


def test_packed_examples_never_see_each_other(params: Params) -> None:
    one = logits(params, [5, 6, 7, 11, 12, 13], [1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2])
    other = logits(params, [8, 9, 10, 11, 12, 13], [1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2])

    np.testing.assert_array_equal(one[3:], other[3:])


def test_an_example_alone_gives_what_it_gives_in_a_pack(params: Params) -> None:
    packed = logits(params, [5, 6, 7, 11, 12, 13], [1, 1, 1, 2, 2, 2], [0, 1, 2, 0, 1, 2])
    alone = logits(params, [11, 12, 13], [1, 1, 1], [0, 1, 2])

    np.testing.assert_allclose(packed[3:], alone, atol=1e-6)  # sums of another length


def test_only_the_distance_of_positions_matters(params: Params) -> None:
    near = logits(params, [5, 6, 7], [1] * 3, [0, 1, 2])
    far = logits(params, [5, 6, 7], [1] * 3, [100, 101, 102])

    np.testing.assert_allclose(near, far, atol=1e-5)  # cosines of larger angles


def test_blocks_of_queries_change_nothing(params: Params) -> None:
    """150 tokens are three blocks; the same tokens through a cache are one."""
    ids = jax.random.randint(jax.random.key(1), (2, 150), 0, 40)
    positions = jnp.broadcast_to(jnp.arange(150), (2, 150))
    mask = segment_mask(jnp.ones((2, 150)))
    decoder, cache = NETWORK.bind(params), NETWORK.new_cache(batch_size=2, num_slots=150)

    in_blocks = decoder.hidden(ids, positions=positions, mask=mask)
    at_once = decoder.hidden(ids, positions=positions, mask=mask, cache=cache)

    np.testing.assert_allclose(in_blocks.hidden, at_once.hidden, atol=1e-5)  # another order of sums
    assert in_blocks.cache is None
    assert at_once.cache is not None


def test_the_products_gradients_are_those_of_jax() -> None:
    x, kernel = jax.random.normal(jax.random.key(0), (3, 4)), jax.random.normal(jax.random.key(1), (4, 5))

    ours = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(product(x, kernel))), argnums=(0, 1))(x, kernel)
    theirs = jax.grad(lambda x, kernel: jnp.sum(jnp.sin(x @ kernel)), argnums=(0, 1))(x, kernel)

    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6)
