import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tunix_ml.contracts.training import OptimizerName, TrainConfig
from tunix_ml.training.optimizers import clip, each_layer_apart, learning_rate_at, make_optimizer

Params = dict[str, jax.Array]

OPTIMIZERS: list[OptimizerName] = ["adamw", "adafactor", "lion", "muon"]
LAYERED = ("mlp.up_proj.kernel", "mlp.up_proj.bias", "mlp.up_proj.lora_a", "norm.scale")


def config_of(**fields: object) -> TrainConfig:
    values = {"warmup_steps": 0, "learning_rate": 0.01, "schedule": "constant", **fields}
    return TrainConfig.model_validate(values)


def numbers(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def stacked(seed: int, *, num_layers: int = 2) -> Params:
    """Return a decoder's kinds of parameters, the layers stacked; matrices large enough to be factored."""
    return {
        "model.embed_tokens.embedding": numbers(seed, 9, 6),
        "model.layers.mlp.up_proj.kernel": numbers(seed + 1, num_layers, 128, 130),
        "model.layers.mlp.up_proj.bias": numbers(seed + 2, num_layers, 130),
        "model.layers.mlp.up_proj.lora_a": numbers(seed + 3, num_layers, 128, 2),
        "model.layers.norm.scale": numbers(seed + 4, num_layers, 6),
        "model.norm.scale": numbers(seed + 5, 6),
    }


def unstacked(params: Params) -> Params:
    """Return the same parameters under a name for each layer."""
    layers = {
        f"model.layers.{index}.{name}": value
        for name in LAYERED
        for index, value in enumerate(params[f"model.layers.{name}"])
    }
    return layers | {name: value for name, value in params.items() if ".layers." not in name}


def updated(config: TrainConfig, params: Params, gradients: list[Params]) -> Params:
    """Return the parameters after one step for each gradient."""
    optimizer = make_optimizer(config, len(gradients))

    @jax.jit
    def step(params: Params, state: optax.OptState, gradient: Params) -> tuple[Params, optax.OptState]:
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    state = jax.jit(optimizer.init)(params)
    for gradient in gradients:
        params, state = step(params, state, gradient)
    return params


@pytest.mark.parametrize("name", ["adafactor", "muon"])  # the others know single numbers only
def test_stacked_layers_are_updated_like_layers_apart(name: OptimizerName) -> None:
    config, gradients = config_of(optimizer=name), [stacked(10), stacked(20)]

    together = updated(config, stacked(0), gradients)
    apart = updated(config, unstacked(stacked(0)), list(map(unstacked, gradients)))

    apart = jax.device_get(apart)
    for key, value in unstacked(jax.device_get(together)).items():
        np.testing.assert_allclose(value, apart[key], atol=2e-6, err_msg=key)  # sums in another order


def test_matrices_decay_and_norms_and_biases_do_not() -> None:
    params = stacked(0)

    after = updated(config_of(weight_decay=0.5), params, [optax.tree.zeros_like(params)])

    for name, value in params.items():
        share = 1.0 if name.endswith((".scale", ".bias")) else 1 - 0.01 * 0.5
        np.testing.assert_allclose(after[name], share * value, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_goes_downhill(name: OptimizerName) -> None:
    params = {"a.kernel": numbers(0, 6, 5), "a.bias": numbers(1, 5)}

    after = updated(config_of(optimizer=name, learning_rate=0.1, weight_decay=0), params, [params] * 3)

    assert float(optax.tree.norm(after)) < 0.97 * float(optax.tree.norm(params))


def test_the_first_step_of_adamw_is_the_rate_in_the_gradients_direction() -> None:
    params, gradient = {"a.kernel": jnp.zeros((1, 2))}, {"a.kernel": jnp.array([[3.0, -0.5]])}

    after = updated(config_of(), params, [gradient])

    np.testing.assert_allclose(after["a.kernel"], [[-0.01, 0.01]], rtol=1e-5)


def test_muon_takes_steps_of_equal_length_in_all_directions_of_a_matrix() -> None:
    gradient = numbers(0, 16, 16) @ jnp.diag(jnp.linspace(0.2, 2.0, 16))

    after = updated(config_of(optimizer="muon"), {"a.kernel": jnp.zeros((16, 16))}, [{"a.kernel": gradient}])

    lengths = np.linalg.svd(after["a.kernel"], compute_uv=False) / (0.01 * 0.2 * 4)
    assert lengths.min() > 0.6  # five Newton-Schulz iterations bring them near one, not to it
    assert lengths.max() < 1.3


def test_muon_leaves_embedding_and_head_to_adamw() -> None:
    params = {"model.embed_tokens.embedding": numbers(0, 5, 4), "lm_head.kernel": numbers(1, 4, 5)}
    gradients = [jax.tree.map(jnp.cos, params)]

    muon, adamw = (updated(config_of(optimizer=name), params, gradients) for name in ("muon", "adamw"))

    for key in params:
        np.testing.assert_array_equal(muon[key], adamw[key])


def test_adafactor_keeps_sums_over_rows_and_columns_of_each_layer() -> None:
    optimizer = make_optimizer(config_of(optimizer="adafactor"), 1)

    state = jax.eval_shape(optimizer.init, {"layers.a.kernel": jnp.zeros((3, 128, 130))})

    sizes = sorted(leaf.size for leaf in jax.tree.leaves(state))
    assert sizes[-2:] == [3 * 128, 3 * 130]


def test_a_layer_apart_needs_the_parameters() -> None:
    transform = each_layer_apart(optax.identity())

    with pytest.raises(ValueError, match="needs the parameters"):
        transform.update({}, {}, None)


def test_a_long_gradient_is_shortened_and_a_short_one_left_alone() -> None:
    gradient = {"a.kernel": jnp.array([[3.0, 4.0]])}

    long = clip(gradient, norm=optax.tree.norm(gradient), limit=1.0)
    short = clip(gradient, norm=optax.tree.norm(gradient), limit=10.0)

    np.testing.assert_allclose(long["a.kernel"], [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_array_equal(short["a.kernel"], gradient["a.kernel"])


def test_a_gradient_that_is_not_a_number_is_not_hidden() -> None:
    gradient = {"a.kernel": jnp.array([[jnp.nan, 1.0]])}

    clipped = clip(gradient, norm=optax.tree.norm(gradient), limit=1.0)

    assert np.isnan(clipped["a.kernel"]).any()


@pytest.mark.parametrize(
    ("schedule", "halfway", "end"), [("constant", 1.0, 1.0), ("linear", 0.6, 0.2), ("cosine", 0.6, 0.2)]
)
def test_the_rate_rises_to_its_peak_and_falls_to_its_floor(schedule: str, halfway: float, end: float) -> None:
    config = config_of(schedule=schedule, warmup_steps=4, learning_rate=1.0, min_learning_rate_ratio=0.2)

    rates = learning_rate_at(jnp.arange(14), config=config, num_steps=12)

    np.testing.assert_allclose(rates[:5], [0.25, 0.5, 0.75, 1.0, 1.0])
    np.testing.assert_allclose(rates[jnp.array([8, 12, 13])], [halfway, end, end], rtol=1e-6)
    assert np.all(np.diff(rates[4:]) <= 0)


def test_the_cosine_falls_slowly_at_first_and_the_line_evenly() -> None:
    cosine, linear = (
        learning_rate_at(
            jnp.arange(9),
            config=config_of(schedule=name, learning_rate=1.0, min_learning_rate_ratio=0),
            num_steps=8,
        )
        for name in ("cosine", "linear")
    )

    np.testing.assert_allclose(linear, 1 - np.arange(9) / 8)
    np.testing.assert_allclose(cosine, (1 + np.cos(np.pi * np.arange(9) / 8)) / 2, atol=1e-7)


def test_a_run_shorter_than_its_warm_up_still_reaches_the_peak() -> None:
    config = config_of(warmup_steps=20, learning_rate=1.0, schedule="cosine")

    assert learning_rate_at(jnp.arange(2), config=config, num_steps=2).tolist() == [0.5, 1.0]
