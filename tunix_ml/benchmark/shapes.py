"""The models that are timed: three by name, any other by its `config.json`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.config_json import CONFIG_FILE, from_huggingface
from tunix_ml.modeling.decoder import Network
from tunix_ml.training.plan import remats

_GPT2: dict[str, Any] = {"model_type": "gpt2", "n_positions": 1024}

SHAPES: dict[str, dict[str, Any]] = {
    "small": {
        "model_type": "llama",
        "vocab_size": 1024,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    },
    "a": {**_GPT2, "vocab_size": 4096, "n_embd": 256, "n_layer": 4, "n_head": 4},
    "b": {**_GPT2, "vocab_size": 50_257, "n_embd": 768, "n_layer": 6, "n_head": 12},
}


def model_shape(name: str) -> ModelConfig:
    """Return the shape of a name: of SHAPES, else of a `config.json` or of a folder or hub name that has one.

    Raises:
        ContractError: there is none, or the decoder does not compute it.
    """
    return from_huggingface(_values(name))


def network_of(shape: ModelConfig, config: BenchmarkConfig) -> Network:
    """Return the decoder that is timed, as a run would train it."""
    network = Network(shape, precision=config.precision)
    return dataclasses.replace(network, remat=remats(network, config.remat))


def _values(name: str) -> dict[str, Any]:
    if name in SHAPES:
        return SHAPES[name]
    path = Path(name).expanduser()
    path = path / CONFIG_FILE if path.is_dir() else path
    path = path if path.is_file() else _from_hub(name)
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise ContractError(f"{path} is not JSON: {error}") from error
    return values


def _from_hub(name: str) -> Path:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - only needed for foreign models

    try:
        return Path(hf_hub_download(name, CONFIG_FILE))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ContractError(
            f"shape {name!r} is none of {', '.join(SHAPES)}, no config.json or folder here,"
            f" and neither the hub nor its cache has it: {reason}"
        ) from error
