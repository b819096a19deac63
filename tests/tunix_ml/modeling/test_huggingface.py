import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.modeling.huggingface import load_model, save_model
from tunix_ml.modeling.shards import find_tensors, read_tensors

FIXTURES = Path(__file__).parent / "fixtures"
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


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    """A function that returns a copy of a fixture's folder."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(FIXTURES / name, tmp_path / name))

    return copied


def edit_tensors(folder: Path, *, drop: str = "", **changes: np.ndarray) -> None:
    """Change tensors of a folder's one file; double underscores stand for dots."""
    path = folder / "model.safetensors"
    tensors = load_file(path) | {name.replace("__", "."): value for name, value in changes.items()}
    save_file({name: value for name, value in tensors.items() if name != drop}, path)


def tensors_in(folder: Path) -> dict[str, np.ndarray]:
    return dict(read_tensors(find_tensors(folder)))


def test_a_model_survives_the_way_through_a_folder(folder: Path) -> None:
    loaded = load_model(folder)

    expected = Network(CONFIG).init(jax.random.key(0))
    assert loaded.network == Network(CONFIG)
    assert loaded.params.keys() == expected.keys()
    assert all(np.array_equal(loaded.params[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_the_tensors_written_are_those_that_transformers_wrote(name: str, tmp_path: Path) -> None:
    network, params = load_model(FIXTURES / name)

    save_model(
        tmp_path, config=network.config, params=params, special_token_ids=TOKENS, max_shard_bytes=9_000
    )

    written, original = tensors_in(tmp_path), tensors_in(FIXTURES / name)
    assert written.keys() == original.keys()
    assert all(np.array_equal(written[tensor], original[tensor].astype(np.float32)) for tensor in original)
    assert load_model(tmp_path).network == network


def test_parameters_are_float32_whatever_the_files_hold(folder: Path) -> None:
    norm = np.array([1.5] * 16)
    edit_tensors(
        folder,
        model__norm__weight=norm.astype(ml_dtypes.bfloat16),
        model__layers__0__input_layernorm__weight=norm.astype(np.float16),
    )

    params = load_model(folder).params

    assert {value.dtype.name for value in params.values()} == {"float32"}
    np.testing.assert_array_equal(params["model.norm.scale"], norm)
    np.testing.assert_array_equal(params["model.layers.0.input_layernorm.scale"], norm)


def test_a_deep_model_is_written_as_single_layers(tmp_path: Path) -> None:
    network = Network(dataclasses.replace(CONFIG, num_hidden_layers=8))
    params = network.init(jax.random.key(0))

    save_model(tmp_path, config=network.config, params=params, special_token_ids=TOKENS)

    loaded = load_model(tmp_path).params
    assert "model.layers.7.mlp.up_proj.kernel" in loaded
    assert all(np.array_equal(value, params[name]) for name, value in network.stack(loaded).items())


@pytest.mark.parametrize("max_shard_bytes", [10**9, 2_000])
def test_the_same_model_gives_the_same_bytes(folder: Path, tmp_path: Path, max_shard_bytes: int) -> None:
    params = Network(CONFIG).init(jax.random.key(0))
    folders = [tmp_path / "one", tmp_path / "other"]
    for again in folders:
        again.mkdir()
        save_model(
            again,
            config=CONFIG,
            params=params,
            special_token_ids=TOKENS,
            max_shard_bytes=max_shard_bytes,
        )

    one, other = ({path.name: path.read_bytes() for path in again.iterdir()} for again in folders)
    assert one == other
    assert len(one) == (3 if max_shard_bytes == 10**9 else 9)


def test_the_end_token_is_in_the_generation_config(folder: Path) -> None:
    assert json.loads((folder / "generation_config.json").read_bytes())["eos_token_id"] == 2


def test_missing_and_extra_tensors_are_named(folder: Path) -> None:
    edit_tensors(folder, drop="model.norm.weight", model__layers__0__mlp__bias=np.zeros(16, np.float32))

    with pytest.raises(
        ContractError, match=r"misses model\.norm\.weight and has unknown model\.layers\.0\.mlp\.bias"
    ):
        load_model(folder)


def test_a_long_list_of_tensors_is_cut(folder: Path) -> None:
    save_file({"one": np.zeros(1, np.float32)}, folder / "model.safetensors")

    with pytest.raises(ContractError, match=r"and 6 more and has unknown one"):
        load_model(folder)


def test_a_tensor_of_another_shape_is_named(folder: Path) -> None:
    edit_tensors(folder, model__norm__weight=np.zeros(3, np.float32))

    with pytest.raises(
        ContractError, match=r"model\.norm\.weight gives model\.norm\.scale \(3,\), not \(16,\)"
    ):
        load_model(folder)


def test_a_fused_tensor_of_another_shape_is_named(copy: Any) -> None:
    folder = copy("gpt2")
    edit_tensors(folder, transformer__h__0__attn__c_attn__weight=np.zeros((16, 47), np.float32))

    with pytest.raises(
        ContractError, match=r"c_attn\.weight gives .*q_proj\.kernel \(16, 47\), not \(16, 16\)"
    ):
        load_model(folder)


def test_a_head_stored_although_it_is_tied_is_the_embedding_once_more(folder: Path) -> None:
    table = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]

    edit_tensors(folder, lm_head__weight=table)
    assert "lm_head.kernel" not in load_model(folder).params

    edit_tensors(folder, lm_head__weight=table + 1)
    with pytest.raises(ContractError, match=r"tie_word_embeddings is true, but lm_head\.weight is not"):
        load_model(folder)


def test_a_missing_head_that_is_not_tied_is_named(copy: Any) -> None:
    folder = copy("llama_3_1")
    edit_tensors(folder, drop="lm_head.weight")

    with pytest.raises(ContractError, match=r"misses lm_head\.weight"):
        load_model(folder)


def test_constants_and_short_names_of_older_gpt2_files_are_tolerated(copy: Any) -> None:
    folder = copy("gpt2")
    path, expected = folder / "model.safetensors", load_model(folder).params
    short = {name.removeprefix("transformer."): value for name, value in load_file(path).items()}
    save_file(short | {"h.0.attn.bias": np.ones((1, 1, 64, 64), np.float32)}, path)

    params = load_model(folder).params

    assert all(np.array_equal(params[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"{", "is not JSON"), (b"[]", "is not a JSON object")],
)
def test_a_damaged_config_is_refused(folder: Path, content: bytes | None, message: str) -> None:
    path = folder / "config.json"
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(ContractError, match=rf"config\.json {message}"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.norm.scale", r"misses model\.norm\.scale"),
        ("model.norm.lora_a", r"has unknown model\.norm\.lora_a"),
        ("model.norm.bias", r"has unknown model\.norm\.bias"),
    ],
)
def test_parameters_of_another_shape_are_not_written(tmp_path: Path, name: str, message: str) -> None:
    params = Network(CONFIG).init(jax.random.key(0))
    params = {other: value for other, value in params.items() if other != name} | (
        {} if name in params else {name: params["model.norm.scale"]}
    )

    with pytest.raises(ContractError, match=f"the model to save {message}"):
        save_model(tmp_path, config=CONFIG, params=params, special_token_ids=TOKENS)


def test_a_parameter_of_another_size_is_not_written(tmp_path: Path) -> None:
    params = Network(CONFIG).init(jax.random.key(0)) | {"model.norm.scale": jax.numpy.ones(3)}

    with pytest.raises(ContractError, match=r"has model\.norm\.scale \(3,\), not \(16,\)"):
        save_model(tmp_path, config=CONFIG, params=params, special_token_ids=TOKENS)


def test_transformers_recognises_the_folder(folder: Path) -> None:
    from transformers import AutoConfig, GenerationConfig

    assert AutoConfig.from_pretrained(folder).architectures == ["LlamaForCausalLM"]
    assert GenerationConfig.from_pretrained(folder).eos_token_id == 2
