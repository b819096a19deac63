import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.inference import programs
from tunix_ml.inference.programs import Limits, Rows
from tunix_ml.inference.sampling import make_sampling
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params

CONFIG = ModelConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=8,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    max_position_embeddings=64,
)
NETWORK = Network(CONFIG)


@pytest.fixture(scope="module")
def params() -> Params:
    return NETWORK.init(jax.random.key(0))


def test_weights_are_single_layers_with_a_padded_head(params: Params) -> None:
    weights = programs.prepare(params, network=NETWORK)

    assert any(name.startswith("model.layers.mlp.") for name in params)
    assert not any(name.startswith("model.layers.mlp.") for name in weights.params)
    assert weights.head.shape == (16, 128)
    np.testing.assert_array_equal(weights.head[:, :40], params["model.embed_tokens.embedding"].T)


def test_kernels_of_one_product_stand_side_by_side_and_come_apart_again(params: Params) -> None:
    single = NETWORK.unstack(params)
    weights = programs.prepare(params, network=NETWORK)

    assert weights.params["model.layers.5.self_attn.q_proj.kernel"].shape == (16, 32)
    assert "model.layers.5.self_attn.k_proj.kernel" not in weights.params
    parted = programs.parted(weights.params, NETWORK)
    assert parted.keys() == single.keys()
    assert all(jnp.array_equal(parted[name], value) for name, value in single.items())


def test_half_precision_holds_products_and_cache_in_half(params: Params) -> None:
    network = Network(CONFIG, precision="bfloat16")
    weights = programs.prepare(params, network=network)

    halves = {name for name, value in weights.params.items() if value.dtype == jnp.bfloat16}
    assert halves == {name for name in weights.params if name.endswith(".kernel")}
    assert weights.head.dtype == jnp.bfloat16
    (dtype,) = {array.dtype for layer in network.new_cache(batch_size=1, num_slots=16) for array in layer}
    assert dtype == jnp.bfloat16


def test_placing_prompts_leaves_other_rows_alone() -> None:
    cache = jax.tree.map(lambda x: x + 7, NETWORK.new_cache(batch_size=4, num_slots=32))
    prompts = NETWORK.new_cache(batch_size=2, num_slots=16)

    placed = programs.place(cache, prompts, np.array([1, 0], np.int32), np.array([2, 4], np.int32))

    keys = np.asarray(placed[3].keys)
    assert (keys[2, :, :16] == 0).all()
    assert (keys[2, :, 16:] == 7).all()
    assert (np.delete(keys, 2, axis=0) == 7).all()


def test_growing_keeps_what_is_there() -> None:
    cache = jax.tree.map(lambda x: x + 7, NETWORK.new_cache(batch_size=2, num_slots=16))

    grown = programs.grow(cache, num_slots=32)

    assert (np.asarray(grown[0].values[:, :, :16]) == 7).all()
    assert (np.asarray(grown[0].values[:, :, 16:]) == 0).all()


def rows(**changes: list[int]) -> Rows:
    zeros = np.zeros(2, np.int32)
    start = Rows(zeros, zeros + 3, zeros + 1, np.zeros((2, 3), np.uint32), np.zeros(2, bool))
    return start._replace(**{name: np.array(value) for name, value in changes.items()})


def write(params: Params, start: Rows, *, num_steps: int = 5, num_idle: int = 2) -> programs.Written:
    cache = NETWORK.new_cache(batch_size=2, num_slots=16)
    never = np.full(8, -1, np.int32)
    limits = Limits(never, np.int32(9), np.int32(num_steps), np.int32(num_idle))
    sampling = make_sampling(DecodingConfig(), vocab_size=40)
    weights = programs.prepare(params, network=NETWORK)
    return programs.write(weights, cache, start, limits, sampling, network=NETWORK)


def test_a_call_ends_with_its_steps_or_when_enough_rows_are_idle(params: Params) -> None:
    nearly_done = rows(num_written=[1, 7])

    assert int(write(params, rows()).num_steps) == 5
    assert int(write(params, nearly_done, num_idle=1).num_steps) == 2
    assert int(write(params, nearly_done, num_idle=2).num_steps) == 5
    assert int(write(params, rows(is_idle=[True, True])).num_steps) == 0


def test_idle_rows_stay_where_they_are(params: Params) -> None:
    keys = np.asarray(write(params, rows(is_idle=[False, True])).cache[0].keys)

    assert [(np.abs(keys[row]).sum(axis=(0, 2)) > 0).nonzero()[0].tolist() for row in (0, 1)] == [
        [3, 4, 5, 6, 7],
        [3],
    ]


def test_the_loop_writes_into_the_cache_in_place(params: Params) -> None:
    sampling = make_sampling(DecodingConfig(), vocab_size=40)
    limits = Limits(np.full(8, -1, np.int32), np.int32(9), np.int32(5), np.int32(2))
    cache = NETWORK.new_cache(batch_size=2, num_slots=16)
    weights = programs.prepare(params, network=NETWORK)

    lowered = programs.write.lower(weights, cache, rows(), limits, sampling, network=NETWORK)
    text = lowered.compile().as_text()

    assert "f32[16,32]{1,0} concatenate(" not in text  # of query, key and value kernels, in every call
    assert len(re.findall(r"= f32\[2,1,16,8\]\S* (?:fusion|scatter)\(", text)) >= 16
    assert not re.findall(r"= f32\[2,1,16,8\]\S* copy\(", text)
