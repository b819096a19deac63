import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.lora import LoraConfig, merge
from tunix_ml.training.data import Batch
from tunix_ml.training.placement import make_placement
from tunix_ml.training.step import (
    CompiledSteps,
    Initial,
    TrainState,
    abstract_state,
    compile_steps,
    init_state,
    loss_sum,
    train_step,
)

NETWORK = Network(
    ModelConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=16,
    )
)
ADAPTED = dataclasses.replace(NETWORK, lora=LoraConfig(rank=2, alpha=4.0, targets="q_proj|up_proj"))
DEEP = dataclasses.replace(NETWORK, config=dataclasses.replace(NETWORK.config, num_hidden_layers=8))
CONFIG = TrainConfig(num_train_steps=10, warmup_steps=2, learning_rate=0.01, batch_size=2)
NUM_STEPS = 10
PLACEMENT = make_placement(ExecutionConfig(device="cpu"))


def batch_of(*rows: list[tuple[list[int], int]], length: int = 8) -> Batch:
    """Return rows of examples, each its ids and how many of them are the prompt."""
    arrays = [np.zeros((len(rows), length), np.int32) for _ in range(4)]
    weights = np.zeros((len(rows), length), np.float32)
    inputs, targets, segments, positions = arrays
    for index, row in enumerate(rows):
        start = 0
        for number, (ids, num_prompt) in enumerate(row, start=1):
            size = len(ids) - 1
            cells = (index, slice(start, start + size))
            inputs[cells], targets[cells] = ids[:-1], ids[1:]
            segments[cells], positions[cells] = number, np.arange(size)
            weights[index, start + num_prompt - 1 : start + size] = 1
            start += size
    return Batch(inputs, targets, weights, segments, positions)


def mean_loss(network: Network, params: Params, batch: Batch) -> jax.Array:
    total = loss_sum(network, params, batch)
    return total.nats / total.num_supervised


jitted_sum = jax.jit(loss_sum, static_argnums=0)
jitted_mean = jax.jit(mean_loss, static_argnums=0)
jitted_step = jax.jit(train_step, static_argnames=("network", "config", "num_steps", "num_parts"))

BATCH = batch_of([([3, 4, 5, 6], 2)], [([7, 8, 9], 1), ([3, 9, 4, 2], 2)])


def begin(network: Network = NETWORK, config: TrainConfig = CONFIG, base: Params | None = None) -> Initial:
    return init_state(network, config, num_steps=NUM_STEPS, placement=PLACEMENT, base=base)


def compiled(
    network: Network, initial: Initial, config: TrainConfig = CONFIG, *, num_parts: int = 1
) -> CompiledSteps:
    return compile_steps(
        network,
        config,
        num_steps=NUM_STEPS,
        execution=ExecutionConfig(device="cpu", gradient_accumulation_steps=num_parts),
        state=initial.state,
        frozen=initial.frozen,
        batch=BATCH,
        placement=PLACEMENT,
    )


@pytest.fixture(scope="module")
def initial() -> Initial:
    return begin()


@pytest.fixture(scope="module")
def state(initial: Initial) -> TrainState:
    return initial.state


@pytest.fixture(scope="module")
def steps(initial: Initial) -> CompiledSteps:
    return compiled(NETWORK, initial)


@pytest.fixture(scope="module")
def adapted(state: TrainState) -> Initial:
    return begin(ADAPTED, base=state.params)


@pytest.fixture(scope="module")
def adapter_steps(adapted: Initial) -> CompiledSteps:
    return compiled(ADAPTED, adapted)


def copied(state: TrainState) -> TrainState:
    copy: TrainState = jax.tree.map(jnp.copy, state)
    return copy


def changed(before: Params, after: Params) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_fresh_parameters_know_nothing(state: TrainState) -> None:
    assert float(jitted_mean(NETWORK, state.params, BATCH)) == pytest.approx(math.log(20), rel=0.02)


def test_packed_rows_have_the_loss_of_unpacked_ones(state: TrainState) -> None:
    packed = jitted_sum(NETWORK, state.params, batch_of([([7, 8, 9], 1), ([3, 9, 4, 2], 2)]))
    unpacked = jitted_sum(NETWORK, state.params, batch_of([([7, 8, 9], 1)], [([3, 9, 4, 2], 2)]))

    assert float(packed.nats) == pytest.approx(float(unpacked.nats), rel=1e-5)
    assert float(packed.num_supervised) == float(unpacked.num_supervised) == 4


def test_padding_has_no_say(state: TrainState) -> None:
    one = jitted_mean(NETWORK, state.params, BATCH)
    noisy = BATCH._replace(targets=np.where(BATCH.weights == 0, 19, BATCH.targets))

    assert float(jitted_mean(NETWORK, state.params, noisy)) == float(one)


def test_a_batch_without_a_supervised_token_has_no_loss(state: TrainState) -> None:
    idle = BATCH._replace(weights=np.zeros_like(BATCH.weights))

    assert math.isnan(jitted_mean(NETWORK, state.params, idle))


def test_the_loss_falls(steps: CompiledSteps, state: TrainState) -> None:
    now, losses = copied(state), []
    for _ in range(10):
        now, metrics = steps.train(now, {}, BATCH)
        losses.append(float(metrics.loss))

    assert losses[-1] < 0.7 * losses[0]
    assert int(now.step) == 10


def test_no_step_compiles_anything(
    steps: CompiledSteps, state: TrainState, caplog: pytest.LogCaptureFixture
) -> None:
    now = copied(state)
    with jax.log_compiles():
        for _ in range(3):
            now, _ = steps.train(now, {}, BATCH)

    assert [record.message for record in caplog.records if "ompil" in record.message] == []


def test_a_compilation_would_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles():
        jax.jit(lambda x: x * 3 + 1)(jnp.ones(3))

    assert any("ompil" in record.message for record in caplog.records)


def test_another_shape_is_an_error_and_not_a_compilation(steps: CompiledSteps, state: TrainState) -> None:
    with pytest.raises(TypeError):
        steps.train(copied(state), {}, batch_of([([3, 4], 1)]))


def test_the_compiled_step_takes_its_state_over(steps: CompiledSteps, state: TrainState) -> None:
    taken = copied(state)
    steps.train(taken, {}, BATCH)

    assert taken.params["model.norm.scale"].is_deleted()


def test_the_same_steps_give_the_same_bits(steps: CompiledSteps, state: TrainState) -> None:
    one, other = (steps.train(copied(state), {}, BATCH)[0] for _ in range(2))

    assert changed(one.params, other.params) == set()


def test_the_evaluation_agrees_with_the_loss(steps: CompiledSteps, state: TrainState) -> None:
    total = steps.evaluate(state.params, {}, BATCH)

    expected = jitted_mean(NETWORK, state.params, BATCH)
    assert float(total.nats / total.num_supervised) == pytest.approx(float(expected), rel=1e-6)


def test_the_gradient_is_clipped_and_its_norm_reported_before(
    steps: CompiledSteps, state: TrainState
) -> None:
    tight = CONFIG.model_copy(update={"grad_clip_norm": 1e-9})

    _, free = steps.train(copied(state), {}, BATCH)
    clipped, metrics = jitted_step(state, {}, BATCH, network=NETWORK, config=tight, num_steps=NUM_STEPS)

    assert float(metrics.grad_norm) == pytest.approx(float(free.grad_norm), rel=1e-6)
    moment = clipped.opt_state[0].mu["model.layers.0.mlp.up_proj.kernel"]
    assert 0 < float(jnp.abs(moment).max()) < 1e-9


def test_parts_weighted_by_their_tokens_add_up_to_the_whole(initial: Initial, steps: CompiledSteps) -> None:
    in_parts = compiled(NETWORK, initial, num_parts=2)

    whole, once = steps.train(copied(initial.state), {}, BATCH)
    added, twice = in_parts.train(copied(initial.state), {}, BATCH)

    assert float(twice.loss) == pytest.approx(float(once.loss), rel=1e-5)
    assert float(twice.grad_norm) == pytest.approx(float(once.grad_norm), rel=1e-5)
    for name, moment in whole.opt_state[0].mu.items():  # the gradient, before it is divided by its size
        np.testing.assert_allclose(added.opt_state[0].mu[name], moment, atol=1e-7, err_msg=name)


def test_a_batch_that_cannot_be_shared_out_is_refused(initial: Initial) -> None:
    with pytest.raises(
        ContractError, match="batch_size 2 is not a multiple of gradient_accumulation_steps 3"
    ):
        compiled(NETWORK, initial, num_parts=3)


def test_dropout_follows_from_seed_and_step_alone(state: TrainState) -> None:
    config = CONFIG.model_copy(update={"dropout": 0.5})

    def loss_at(step: int) -> float:
        now = state._replace(step=jnp.int32(step))
        _, metrics = jitted_step(now, {}, BATCH, network=NETWORK, config=config, num_steps=NUM_STEPS)
        return float(metrics.loss)

    without = float(jitted_mean(NETWORK, state.params, BATCH))
    assert loss_at(3) == loss_at(3)
    assert len({loss_at(3), loss_at(4), without}) == 3


def test_only_adapters_are_trained_and_the_base_stays(
    adapter_steps: CompiledSteps, adapted: Initial, state: TrainState
) -> None:
    now = copied(adapted.state)
    for _ in range(3):
        now, metrics = adapter_steps.train(now, adapted.frozen, BATCH)

    assert set(now.params) == {
        f"model.layers.0.{product}.{matrix}"
        for product in ("self_attn.q_proj", "mlp.up_proj")
        for matrix in ("lora_a", "lora_b")
    }
    assert changed(adapted.state.params, now.params) == set(now.params)
    assert changed(state.params, adapted.frozen) == set()
    assert float(metrics.loss) < float(jitted_mean(NETWORK, state.params, BATCH))


def test_merged_adapters_have_the_loss_of_unmerged_ones(
    adapter_steps: CompiledSteps, adapted: Initial
) -> None:
    now, _ = adapter_steps.train(copied(adapted.state), adapted.frozen, BATCH)
    now, _ = adapter_steps.train(now, adapted.frozen, BATCH)
    apart = adapter_steps.evaluate(now.params, adapted.frozen, BATCH)

    assert ADAPTED.lora is not None
    merged = merge({**adapted.frozen, **now.params}, ADAPTED.lora)

    assert float(jitted_sum(NETWORK, merged, BATCH).nats) == pytest.approx(float(apart.nats), rel=1e-5)


def test_fresh_adapters_change_nothing(
    adapter_steps: CompiledSteps, adapted: Initial, state: TrainState
) -> None:
    total = adapter_steps.evaluate(adapted.state.params, adapted.frozen, BATCH)

    assert float(total.nats) == pytest.approx(float(jitted_sum(NETWORK, state.params, BATCH).nats), rel=1e-6)


def test_a_base_model_is_copied_and_not_taken_over(steps: CompiledSteps, state: TrainState) -> None:
    initial = begin(base=state.params)
    steps.train(initial.state, initial.frozen, BATCH)

    assert initial.frozen == {}
    assert initial.state.params["model.norm.scale"].is_deleted()
    assert not state.params["model.norm.scale"].is_deleted()


@pytest.fixture(scope="module")
def deep_base() -> Params:
    """Parameters of eight layers, as a folder holds them."""
    draw = np.random.default_rng(0).normal
    shapes = DEEP.abstract_params()
    return DEEP.unstack({name: draw(size=leaf.shape).astype(np.float32) for name, leaf in shapes.items()})


def test_a_deep_base_model_is_stacked(deep_base: Params) -> None:
    params = begin(DEEP, base=deep_base).state.params

    assert {name: value.shape for name, value in params.items()} == {
        name: leaf.shape for name, leaf in DEEP.abstract_params().items()
    }
    assert changed(deep_base, DEEP.unstack(jax.device_get(params))) == set()


def test_a_base_model_of_another_shape_is_refused(state: TrainState) -> None:
    wide = {**state.params, "model.norm.scale": jnp.ones(17)}

    with pytest.raises(ContractError, match=r"model.norm.scale has shape \(17,\), the network's \(16,\)"):
        begin(base=wide)


def test_a_base_model_that_misses_a_parameter_is_refused(state: TrainState) -> None:
    less = {name: value for name, value in state.params.items() if name != "model.norm.scale"}

    with pytest.raises(ContractError, match=r"base model has no model\.norm\.scale"):
        begin(base=less)


def test_a_deep_base_model_that_misses_a_parameter_of_one_layer_is_refused(deep_base: Params) -> None:
    name = "model.layers.5.mlp.up_proj.kernel"

    with pytest.raises(ContractError, match=f"base model has no {name}"):
        begin(DEEP, base={other: value for other, value in deep_base.items() if other != name})


@pytest.mark.parametrize("network", [NETWORK, ADAPTED])
def test_an_abstract_state_has_shapes_and_places_of_a_fresh_one(
    network: Network, state: TrainState, adapted: Initial
) -> None:
    like = abstract_state(network, CONFIG, num_steps=NUM_STEPS, placement=PLACEMENT)

    fresh = adapted.state if network.lora else state
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.sharding), like) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype, leaf.sharding), fresh
    )
