import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Cache, Dropout, Network, Output, Params, num_params, segment_mask
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.modeling.lora import LoraConfig

FIXTURES = Path(__file__).parent / "fixtures"

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

# LLVM's optimiser takes half of the time to compile, and what these functions compute does not depend on it.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


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

    @jax.jit
    def hidden(params: Params, cache: Cache | None) -> Output:
        mask = segment_mask(jnp.ones((2, 150)))
        return NETWORK.bind(params).hidden(ids, positions=positions, mask=mask, cache=cache)

    in_blocks = hidden(params, None)
    at_once = hidden(params, NETWORK.new_cache(batch_size=2, num_slots=150))

    np.testing.assert_allclose(in_blocks.hidden, at_once.hidden, atol=1e-5)  # another order of sums
    assert in_blocks.cache is None
    assert at_once.cache is not None


def deep(**changes: Any) -> Network:
    """Return a network whose layers alternate, with one left over."""
    shape = {"num_hidden_layers": 9, "sliding_window": 3, "sliding_layers": (0, 2, 4, 6, 8)}
    return Network(dataclasses.replace(CONFIG, **shape), **changes)


def _some_logits(params: Params, *, network: Network, num_slots: int = 0, rate: float = 0.0) -> jax.Array:
    ids, positions = jnp.arange(12).reshape(2, 6), jnp.broadcast_to(jnp.arange(6), (2, 6))
    decoder, mask = network.bind(params), segment_mask(jnp.ones((2, 6)))
    cache = network.new_cache(batch_size=2, num_slots=num_slots) if num_slots else None
    dropout = Dropout(jax.random.key(1), rate)
    output = decoder.hidden(ids, positions=positions, mask=mask, cache=cache, dropout=dropout)
    return decoder.logits(output.hidden)


some_logits = quick_jit(_some_logits, static_argnames=("network", "num_slots", "rate"))


@functools.partial(quick_jit, static_argnames="network")
def gradients(params: Params, *, network: Network) -> Params:
    return jax.grad(lambda params: jnp.sum(jnp.sin(_some_logits(params, network=network, rate=0.3))))(params)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_logits_are_those_of_transformers(name: str) -> None:
    """At once, and from a cache of which each row uses slots of its own."""
    network, params = load_model(FIXTURES / name)
    expected = load_file(FIXTURES / name / "expected.safetensors")

    full, cached = _in_two_ways(params, jnp.asarray(expected["input_ids"]), network=network)

    np.testing.assert_allclose(full, expected["logits"], atol=1e-4, rtol=0)  # sums in another order
    np.testing.assert_allclose(cached, full, atol=1e-4, rtol=0)


@functools.partial(quick_jit, static_argnames="network")
def _in_two_ways(params: Params, ids: jax.Array, *, network: Network) -> tuple[jax.Array, jax.Array]:
    """Return the logits of all tokens at once, and of a prefill followed by one token after the other."""
    decoder, first_slots, num_slots, num_prefilled = network.bind(params), jnp.array([0, 3]), 44, 21
    batch, length = ids.shape
    positions = jnp.broadcast_to(jnp.arange(length), ids.shape)
    full = decoder.hidden(ids, positions=positions, mask=segment_mask(jnp.ones_like(ids))).hidden

    def from_slots(cache: Cache, start: jax.Array | int, ids: jax.Array) -> tuple[Cache, jax.Array]:
        positions = jnp.broadcast_to(start + jnp.arange(ids.shape[1]), ids.shape)
        slots = jnp.arange(num_slots) - first_slots[:, None]
        mask = (slots[:, None] >= 0) & (slots[:, None] <= positions[:, :, None])
        output = decoder.hidden(ids, positions=positions, mask=mask, cache=cache, slot=first_slots + start)
        return output.cache or cache, output.hidden

    cache = network.new_cache(batch_size=batch, num_slots=num_slots)
    cache, prefilled = from_slots(cache, 0, ids[:, :num_prefilled])
    following = jnp.arange(num_prefilled, length)
    _, decoded = jax.lax.scan(
        lambda cache, at: from_slots(cache, at, jax.lax.dynamic_slice(ids, (0, at), (batch, 1))),
        cache,
        following,
    )
    cached = jnp.concatenate([prefilled, decoded[:, :, 0].swapaxes(0, 1)], axis=1)
    return decoder.logits(full), decoder.logits(cached)


def test_deep_networks_hold_their_layers_stacked_and_give_the_same_as_unrolled() -> None:
    network = deep()
    stacked = network.init(jax.random.key(0))
    single = network.unstack(stacked)

    looped, unrolled = (some_logits(params, network=network, rate=0.3) for params in (stacked, single))

    assert stacked["model.layers.mlp.up_proj.kernel"].shape == (9, 16, 24)
    assert single["model.layers.8.mlp.up_proj.kernel"].shape == (16, 24)
    np.testing.assert_allclose(looped, unrolled, atol=1e-5)  # sums in another order


def test_stacking_goes_both_ways_and_twice_is_once() -> None:
    network = deep()
    stacked = network.init(jax.random.key(0))

    again = network.stack(network.unstack(network.unstack(stacked)))

    assert again.keys() == stacked.keys() == network.stack(stacked).keys() == network.abstract_params().keys()
    assert all(np.array_equal(again[name], stacked[name]) for name in stacked)
    assert NETWORK.stack(NETWORK.init(jax.random.key(0))).keys() == NETWORK.abstract_params().keys()


def test_a_parameter_that_one_layer_lacks_is_never_dropped() -> None:
    network = deep()
    single = network.unstack(network.init(jax.random.key(0)))
    del single["model.layers.0.mlp.up_proj.kernel"]

    with pytest.raises(KeyError, match=r"layers\.0\.mlp\.up_proj"):
        network.stack(single)


def test_a_deep_network_reads_its_cache_from_either_form() -> None:
    network = deep()
    stacked = network.init(jax.random.key(0))

    without = some_logits(stacked, network=network)
    with_cache = some_logits(stacked, network=network, num_slots=6)

    np.testing.assert_allclose(with_cache, without, atol=1e-5)  # sums in another order


@pytest.mark.parametrize("num_layers", [1, 8])
def test_activations_computed_again_change_no_gradient(num_layers: int) -> None:
    network = Network(dataclasses.replace(CONFIG, num_hidden_layers=num_layers))
    params = network.init(jax.random.key(0))

    kept = gradients(params, network=network)
    again = gradients(params, network=dataclasses.replace(network, remat=True))

    for name in params:
        np.testing.assert_allclose(kept[name], again[name], atol=1e-5)


def test_adapters_leave_the_other_fresh_parameters_as_they_are(params: Params) -> None:
    network = Network(CONFIG, lora=LoraConfig(rank=2, alpha=4.0, targets="(q|down)_proj"))

    adapted = network.init(jax.random.key(0))

    assert adapted["model.layers.1.mlp.down_proj.lora_a"].shape == (24, 2)
    assert sum(name.endswith("lora_b") for name in adapted) == 4
    assert all(np.array_equal(adapted[name], params[name]) for name in params)


def test_half_precision_stays_near_and_its_logits_are_float32(params: Params) -> None:
    half = Network(CONFIG, precision="bfloat16", activations="bfloat16")
    exact, near = (some_logits(params, network=network) for network in (NETWORK, half))

    assert near.dtype == jnp.float32
    assert half.new_cache(batch_size=1, num_slots=2)[0].keys.dtype == jnp.bfloat16
    np.testing.assert_allclose(near, exact, atol=0.02)  # bfloat16 keeps eight bits
    assert not np.array_equal(near, exact)
