import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network, Params, segment_mask
from tunix_ml.modeling.lora import (
    ADAPTER_CONFIG_FILE,
    ADAPTER_WEIGHTS_FILE,
    LoraConfig,
    fresh_adapters,
    load_adapter,
    merge,
    save_adapter,
    split,
)

CONFIG = ModelConfig(
    vocab_size=20,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=4,
    max_position_embeddings=16,
)
DEEP = dataclasses.replace(CONFIG, num_hidden_layers=8)
GPT2 = dataclasses.replace(
    CONFIG, model_type="gpt2", num_key_value_heads=2, attention_bias=True, mlp_bias=True
)
LORA = LoraConfig(rank=2, alpha=3.0, targets="q_proj|o_proj|down_proj")
Q_PROJ = "model.layers.0.self_attn.q_proj"
PEFT_Q_PROJ = "base_model.model.model.layers.0.self_attn.q_proj"


def params_of(network: Network) -> Params:
    """Return random parameters, the second matrix of each adapter included."""
    draw = np.random.default_rng(0).normal
    shapes = network.abstract_params()
    return {name: jnp.asarray(0.3 * draw(size=shape.shape), jnp.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(CONFIG, lora=LORA)


@pytest.fixture(scope="module")
def params(network: Network) -> Params:
    return params_of(network)


@pytest.fixture
def saved(network: Network, params: Params, tmp_path: Path) -> Path:
    save_adapter(tmp_path, network=network, params=params, base_model="some/base")
    return tmp_path


def logits_of(network: Network, params: Params) -> jax.Array:
    ids = jnp.array([[3, 1, 4, 1, 5]])

    @jax.jit
    def logits(params: Params) -> jax.Array:
        decoder = network.bind(params)
        output = decoder.hidden(ids, positions=jnp.arange(5)[None], mask=segment_mask(jnp.ones_like(ids)))
        return decoder.logits(output.hidden)

    return logits(params)


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / ADAPTER_CONFIG_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_targets_match_the_last_component_in_full() -> None:
    assert LORA.covers("model.layers.3.self_attn.q_proj")
    assert not LORA.covers("model.layers.3.mlp.up_proj")
    assert not LoraConfig(rank=2, alpha=1, targets="q").covers("model.layers.3.self_attn.q_proj")


def test_the_head_has_no_adapter() -> None:
    assert not LoraConfig(rank=2, alpha=1, targets=".*").covers("lm_head")


def test_targets_that_are_no_expression_are_refused() -> None:
    with pytest.raises(ContractError, match=r"lora_targets '\(q' is no regular expression: missing \)"):
        LoraConfig(rank=2, alpha=1, targets="(q")


def test_adapters_are_trained_and_the_rest_is_not(network: Network, params: Params) -> None:
    trained, frozen = split(params)

    assert len(trained) == 2 * 3 * 2
    assert set(trained) == {name for name in params if name.rpartition(".")[2].startswith("lora_")}
    assert set(frozen) == set(Network(CONFIG).abstract_params())


def test_without_adapters_everything_is_trained() -> None:
    assert split({"a.kernel": 1}) == ({"a.kernel": 1}, {})


def test_fresh_adapters_are_random_in_front_and_zero_behind() -> None:
    shape = jax.ShapeDtypeStruct((3, 64, 4), jnp.float32)
    shapes = {"a.lora_a": shape, "b.lora_a": shape, "a.lora_b": jax.ShapeDtypeStruct((3, 4, 5), jnp.float32)}

    adapters = fresh_adapters(jax.random.key(0), shapes)

    assert float(jnp.std(adapters["a.lora_a"])) == pytest.approx(1 / 8, rel=0.1)
    assert not np.array_equal(adapters["a.lora_a"], adapters["b.lora_a"])
    assert not adapters["a.lora_b"].any()


def test_merging_adds_the_scaled_product() -> None:
    params = {
        "a.kernel": jnp.ones((2, 2)),
        "a.lora_a": jnp.array([[1.0], [2.0]]),
        "a.lora_b": jnp.array([[3.0, 5.0]]),
    }

    merged = merge(params, LoraConfig(rank=1, alpha=0.5, targets="a"))

    assert list(merged) == ["a.kernel"]
    np.testing.assert_array_equal(merged["a.kernel"], [[2.5, 3.5], [4.0, 6.0]])


@pytest.mark.parametrize("config", [CONFIG, DEEP, GPT2], ids=["unrolled", "stacked", "gpt2"])
def test_merged_parameters_give_the_logits_of_unmerged_ones(config: ModelConfig) -> None:
    network = Network(config, lora=LORA)
    params = params_of(network)

    apart, merged = logits_of(network, params), logits_of(Network(config), merge(params, LORA))

    assert float(jnp.abs(apart - logits_of(Network(config), split(params)[1])).max()) > 0.1
    np.testing.assert_allclose(merged, apart, atol=1e-5)


def test_files_have_the_names_and_shapes_of_peft(saved: Path, params: Params) -> None:
    tensors = load_file(saved / ADAPTER_WEIGHTS_FILE)

    np.testing.assert_array_equal(tensors[f"{PEFT_Q_PROJ}.lora_A.weight"], params[f"{Q_PROJ}.lora_a"].T)
    np.testing.assert_array_equal(tensors[f"{PEFT_Q_PROJ}.lora_B.weight"], params[f"{Q_PROJ}.lora_b"].T)
    assert len(tensors) == 2 * 3 * 2
    config = json.loads((saved / ADAPTER_CONFIG_FILE).read_text())
    assert config["target_modules"] == ["down_proj", "o_proj", "q_proj"]
    assert (config["peft_type"], config["task_type"]) == ("LORA", "CAUSAL_LM")
    assert (config["r"], config["lora_alpha"], config["fan_in_fan_out"]) == (2, 3.0, False)
    assert config["base_model_name_or_path"] == "some/base"


def test_saving_twice_gives_the_same_bytes(
    saved: Path, network: Network, params: Params, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    save_adapter(again, network=network, params=dict(reversed(params.items())), base_model="some/base")

    for name in (ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE):
        assert (again / name).read_bytes() == (saved / name).read_bytes()


@pytest.mark.parametrize("config", [CONFIG, DEEP], ids=["unrolled", "stacked"])
def test_adapters_come_back(config: ModelConfig, tmp_path: Path) -> None:
    network = Network(config, lora=LORA)
    params = params_of(network)
    save_adapter(tmp_path, network=network, params=params, base_model="")

    loaded = load_adapter(tmp_path, base=Network(config))

    assert loaded.network.lora is not None
    assert (loaded.network.lora.rank, loaded.network.lora.scale) == (2, 1.5)
    assert set(loaded.params) == set(split(params)[0])
    for name, value in loaded.params.items():
        np.testing.assert_array_equal(value, params[name])


def test_gpt2_adapters_of_one_fused_product_become_one_of_more_rank(tmp_path: Path) -> None:
    lora = LoraConfig(rank=2, alpha=3.0, targets="[qv]_proj|down_proj")
    network = Network(GPT2, lora=lora)
    params = params_of(network)
    save_adapter(tmp_path, network=network, params=params, base_model="")

    tensors = load_file(tmp_path / ADAPTER_WEIGHTS_FILE)
    config = json.loads((tmp_path / ADAPTER_CONFIG_FILE).read_text())
    name = "base_model.model.transformer.h.1.attn.c_attn"
    scale = config["alpha_pattern"]["attn.c_attn"] / config["rank_pattern"]["attn.c_attn"]
    update = scale * tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]

    merged, before = merge(params, lora), split(params)[1]
    kernels = [f"model.layers.1.self_attn.{part}_proj.kernel" for part in "qkv"]
    expected = np.concatenate([merged[kernel] - before[kernel] for kernel in kernels], axis=1)
    np.testing.assert_allclose(update.T, expected, atol=1e-6)
    assert config["target_modules"] == ["attn.c_attn", "mlp.c_proj"]
    assert config["fan_in_fan_out"] is True


def test_fused_adapters_are_written_and_not_read(tmp_path: Path) -> None:
    network = Network(GPT2, lora=LORA)
    save_adapter(tmp_path, network=network, params=params_of(network), base_model="")

    with pytest.raises(ContractError, match="fan_in_fan_out True is not supported, False is"):
        load_adapter(tmp_path, base=Network(GPT2))


def test_a_network_without_adapters_has_none_to_save(params: Params, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no adapters to save"):
        save_adapter(tmp_path, network=Network(CONFIG), params=params, base_model="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"use_dora": True}, "use_dora True is not supported, False is"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern {'q_proj': 8} is not supported"),
        ({"peft_type": "IA3"}, "peft_type 'IA3' is not supported, 'LORA' is"),
        ({"r": 3}, "does not fit the base: 12 adapters are missing, unknown or of another shape"),
    ],
)
def test_a_configuration_that_means_something_else_is_refused(
    saved: Path, changes: dict[str, object], message: str
) -> None:
    edit_config(saved, **changes)

    with pytest.raises(ContractError, match=message):
        load_adapter(saved, base=Network(CONFIG))


def test_a_configuration_without_a_rank_is_refused(saved: Path) -> None:
    path = saved / ADAPTER_CONFIG_FILE
    path.write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 3}))

    with pytest.raises(ContractError, match="has no 'r'"):
        load_adapter(saved, base=Network(CONFIG))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG, r"1 adapters are missing.*among them model\.layers\.1\.self_attn\.q_proj\.lora_a"),
        (DEEP, r"no adapter model\.layers\.1\.self_attn\.q_proj\.lora_a"),
    ],
    ids=["unrolled", "stacked"],
)
def test_a_missing_adapter_is_named(config: ModelConfig, message: str, tmp_path: Path) -> None:
    network = Network(config, lora=LORA)
    save_adapter(tmp_path, network=network, params=params_of(network), base_model="")
    path = tmp_path / ADAPTER_WEIGHTS_FILE
    tensors = load_file(path)
    del tensors[f"{PEFT_Q_PROJ}.lora_A.weight".replace(".0.", ".1.")]
    save_file(tensors, path)

    with pytest.raises(ContractError, match=message):
        load_adapter(tmp_path, base=Network(config))


def test_a_tensor_of_another_kind_is_refused(saved: Path) -> None:
    save_file({"lm_head.weight": np.zeros((2, 2), np.float32)}, saved / ADAPTER_WEIGHTS_FILE)

    with pytest.raises(ContractError, match=r"'lm_head\.weight' is no tensor of an adapter"):
        load_adapter(saved, base=Network(CONFIG))
