"""The exchange format: a Hugging Face folder of configuration and safetensors.

The tokenizer's files lie in the same folder and are put there by the caller.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig, from_huggingface, to_huggingface
from tunix_ml.modeling.decoder import Network, Params

CONFIG_FILE = "config.json"
GENERATION_CONFIG_FILE = "generation_config.json"
WEIGHTS_FILE = "model.safetensors"
_MOST_NAMES_IN_ERROR = 5


class LoadedModel(NamedTuple):
    """A model read from a folder."""

    network: Network
    params: Params


def save_model(
    folder: Path, *, config: ModelConfig, params: Params, special_token_ids: Mapping[str, int | None]
) -> None:
    """Write a model as a `LlamaForCausalLM`; the same values give the same bytes.

    Args:
        folder: an existing folder.
        config: the shape.
        params: the parameters under their flat names.
        special_token_ids: `bos_token_id`, `eos_token_id` and `pad_token_id`.
    """
    _write_json(folder / CONFIG_FILE, to_huggingface(config, special_token_ids=special_token_ids))
    _write_json(folder / GENERATION_CONFIG_FILE, {"do_sample": False, **special_token_ids})
    tensors = {_tensor_name(name): _to_file(name, value) for name, value in params.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})  # transformers asks for "format"


def load_model(folder: Path) -> LoadedModel:
    """Read a model.

    Raises:
        ContractError: the configuration is not supported, or the tensors are not those it asks for.
    """
    config = from_huggingface(json.loads((folder / CONFIG_FILE).read_bytes()))
    network = Network(config)
    path = folder / WEIGHTS_FILE
    tensors = load_file(path)
    expected = network.abstract_params()
    _check_names(tensors, {_tensor_name(name) for name in expected}, subject=str(path))
    params = {name: _from_file(name, tensors[_tensor_name(name)]) for name in expected}
    _check_shapes(params, expected, subject=str(path))
    return LoadedModel(network, params)


def _check_names(found: Iterable[str], expected: set[str], *, subject: str) -> None:
    missing, extra = expected - set(found), set(found) - expected
    problems = [
        f"{what} {_listed(names)}" for what, names in (("misses", missing), ("has unknown", extra)) if names
    ]
    if problems:
        raise ContractError(f"{subject} {' and '.join(problems)}")


def _check_shapes(params: Params, expected: Mapping[str, jax.ShapeDtypeStruct], *, subject: str) -> None:
    for name, value in params.items():
        if value.shape != expected[name].shape:
            shape = expected[name].shape
            raise ContractError(f"{subject}: {_tensor_name(name)} gives {name} {value.shape}, not {shape}")


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES_IN_ERROR
    return ", ".join(ordered[:_MOST_NAMES_IN_ERROR]) + (f" and {more} more" if more > 0 else "")


def _tensor_name(name: str) -> str:
    """Hugging Face calls every parameter `weight`."""
    return f"{name.rpartition('.')[0]}.weight"


def _to_file(name: str, value: jax.Array) -> np.ndarray:
    """Kernels are (in, out) here and (out, in) in the file."""
    array = np.asarray(value)
    return np.ascontiguousarray(array.T if name.endswith(".kernel") else array)


def _from_file(name: str, array: np.ndarray) -> jax.Array:
    value = array.T if name.endswith(".kernel") else array
    return jax.numpy.asarray(value, dtype=jax.numpy.float32)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
