import json
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import load_model, save_model

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
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    params = Network(CONFIG).init(jax.random.key(0))
    save_model(tmp_path, config=CONFIG, params=params, special_token_ids=TOKENS)
    return tmp_path


def test_a_model_survives_the_way_through_a_folder(folder: Path) -> None:
    loaded = load_model(folder)

    expected = Network(CONFIG).init(jax.random.key(0))
    assert loaded.network == Network(CONFIG)
    assert loaded.params.keys() == expected.keys()
    assert all(np.array_equal(loaded.params[name], expected[name]) for name in expected)


def test_tensors_bear_llamas_names_and_stand_output_first(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")

    assert tensors["model.layers.0.mlp.down_proj.weight"].shape == (16, 24)
    assert tensors["model.embed_tokens.weight"].shape == (40, 16)
    assert "model.norm.weight" in tensors


def test_the_same_model_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()

    save_model(again, config=CONFIG, params=Network(CONFIG).init(jax.random.key(0)), special_token_ids=TOKENS)

    for name in ("config.json", "generation_config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_the_end_token_is_in_the_generation_config(folder: Path) -> None:
    assert json.loads((folder / "generation_config.json").read_bytes())["eos_token_id"] == 2


def test_missing_and_extra_tensors_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.0.mlp.bias"] = tensors.pop("model.norm.weight")
    save_file(tensors, path)

    with pytest.raises(
        ContractError, match=r"misses model\.norm\.weight and has unknown model\.layers\.0\.mlp\.bias"
    ):
        load_model(folder)


def test_a_long_list_of_tensors_is_cut(folder: Path) -> None:
    save_file({"one": np.zeros(1, np.float32)}, folder / "model.safetensors")

    with pytest.raises(ContractError, match=r"and 6 more and has unknown one"):
        load_model(folder)


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file(load_file(path) | {"model.norm.weight": np.zeros(3, np.float32)}, path)

    with pytest.raises(
        ContractError, match=r"model\.norm\.weight gives model\.norm\.scale \(3,\), not \(16,\)"
    ):
        load_model(folder)


def test_transformers_recognises_the_folder(folder: Path) -> None:
    from transformers import AutoConfig, GenerationConfig

    assert AutoConfig.from_pretrained(folder).architectures == ["LlamaForCausalLM"]
    assert GenerationConfig.from_pretrained(folder).eos_token_id == 2
