import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tunix_ml.contracts.training import TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.training.data import Batch
from tunix_ml.training.step import (
    CompiledSteps,
    TrainState,
    abstract_state,
    compile_steps,
    cross_entropy,
    init_state,
    learning_rate_at,
    loss_sum,
    make_optimizer,
    mean_loss,
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
CONFIG = TrainConfig(num_train_steps=10, warmup_steps=2, learning_rate=0.01, batch_size=2)
CPU = jax.devices("cpu")[0]


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


jitted_sum = jax.jit(loss_sum, static_argnums=0)
jitted_mean = jax.jit(mean_loss, static_argnums=0)
jitted_step = jax.jit(train_step, static_argnames=("network", "config"))

BATCH = batch_of([([3, 4, 5, 6], 2)], [([7, 8, 9], 1), ([3, 9, 4, 2], 2)])


@pytest.fixture(scope="module")
def state() -> TrainState:
    return init_state(NETWORK, CONFIG, device=CPU)


@pytest.fixture(scope="module")
def steps(state: TrainState) -> CompiledSteps:
    return compile_steps(NETWORK, CONFIG, state=state, batch=BATCH, device=CPU)


def copied(state: TrainState) -> TrainState:
    copy: TrainState = jax.tree.map(jnp.copy, state)
    return copy


def test_the_loss_is_the_weighted_negative_log_likelihood_in_nats() -> None:
    logits = jnp.log(jnp.array([[[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]]]))

    total = cross_entropy(logits, jnp.array([[0, 2, 1]]), jnp.array([[1.0, 0.0, 1.0]]))

    assert float(total.nats) == pytest.approx(math.log(2) - math.log(0.3), rel=1e-6)
    assert float(total.num_supervised) == 2


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
        now, metrics = steps.train(now, BATCH)
        losses.append(float(metrics.loss))

    assert losses[-1] < 0.7 * losses[0]
    assert int(now.step) == 10


def test_no_step_compiles_anything(
    steps: CompiledSteps, state: TrainState, caplog: pytest.LogCaptureFixture
) -> None:
    now = copied(state)
    with jax.log_compiles():
        for _ in range(3):
            now, _ = steps.train(now, BATCH)

    assert [record.message for record in caplog.records if "ompil" in record.message] == []


def test_a_compilation_would_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles():
        jax.jit(lambda x: x * 3 + 1)(jnp.ones(3))

    assert any("ompil" in record.message for record in caplog.records)


def test_another_shape_is_an_error_and_not_a_compilation(steps: CompiledSteps, state: TrainState) -> None:
    with pytest.raises(TypeError):
        steps.train(copied(state), batch_of([([3, 4], 1)]))


def test_the_compiled_step_takes_its_state_over(steps: CompiledSteps, state: TrainState) -> None:
    taken = copied(state)
    steps.train(taken, BATCH)

    assert taken.params["model.norm.scale"].is_deleted()


def test_the_same_steps_give_the_same_bits(steps: CompiledSteps, state: TrainState) -> None:
    one, other = (steps.train(copied(state), BATCH)[0] for _ in range(2))

    assert all(np.array_equal(one.params[name], other.params[name]) for name in one.params)


def test_the_evaluation_agrees_with_the_loss(steps: CompiledSteps, state: TrainState) -> None:
    total = steps.evaluate(state.params, BATCH)

    expected = jitted_mean(NETWORK, state.params, BATCH)
    assert float(total.nats / total.num_supervised) == pytest.approx(float(expected), rel=1e-6)


def test_the_gradient_is_clipped_and_its_norm_reported_before(state: TrainState) -> None:
    clipped = CONFIG.model_copy(update={"grad_clip_norm": 1e-3})

    _, free = jitted_step(state, BATCH, network=NETWORK, config=CONFIG)
    _, tight = jitted_step(state, BATCH, network=NETWORK, config=clipped)

    assert float(tight.grad_norm) == float(free.grad_norm) > 1e-3


def test_norms_do_not_decay_and_matrices_do() -> None:
    config = CONFIG.model_copy(update={"weight_decay": 0.5})
    params = {"kernel": jnp.ones((2, 2)), "scale": jnp.ones(2)}
    optimizer = make_optimizer(config)

    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)

    rate = float(learning_rate_at(jnp.int32(0), config=config))
    np.testing.assert_allclose(updates["kernel"], -rate * 0.5, rtol=1e-6)
    np.testing.assert_array_equal(updates["scale"], 0)


def test_the_rate_rises_to_its_peak_and_falls_to_its_floor() -> None:
    config = TrainConfig(num_train_steps=12, warmup_steps=4, learning_rate=1.0, min_learning_rate_ratio=0.2)

    rates = [float(learning_rate_at(jnp.int32(step), config=config)) for step in range(13)]

    np.testing.assert_allclose(rates[:5], [0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[8] == pytest.approx(0.2 + 0.8 * 0.5)
    assert rates[12] == pytest.approx(0.2)
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_a_run_shorter_than_its_warm_up_still_reaches_the_peak() -> None:
    config = TrainConfig(num_train_steps=2, warmup_steps=20, learning_rate=1.0)

    assert [float(learning_rate_at(jnp.int32(step), config=config)) for step in (0, 1)] == [0.5, 1.0]


def test_an_abstract_state_has_the_shapes_of_a_fresh_one(state: TrainState) -> None:
    like = abstract_state(NETWORK, CONFIG, device=CPU)

    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), like) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), state
    )
