"""The exchange format: a Hugging Face folder of configuration and safetensors.

The tokenizer's files lie in the same folder and are put there by the caller.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.config_json import CONFIG_FILE, from_huggingface, to_huggingface
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.shards import find_tensors, read_tensors, write_tensors
from tunix_ml.modeling.tensors import (
    EMBEDDING,
    HEAD,
    assemble,
    full_names,
    is_buffer,
    place_of,
    places,
    tensor_bytes,
)

GENERATION_CONFIG_FILE = "generation_config.json"
_MOST_NAMES_IN_ERROR = 5
_MAX_SHARD_BYTES = 5_000_000_000


class LoadedModel(NamedTuple):
    """A model read from a folder; the parameters bear the names of single layers."""

    network: Network
    params: Params


def save_model(
    folder: Path,
    *,
    config: ModelConfig,
    params: Params,
    special_token_ids: Mapping[str, int | None],
    max_shard_bytes: int = _MAX_SHARD_BYTES,
) -> None:
    """Write a model as transformers knows its family; the same values give the same bytes.

    Args:
        folder: an existing folder.
        config: the shape.
        params: all parameters, stacked or not, without adapters.
        special_token_ids: `bos_token_id`, `eos_token_id` and `pad_token_id`.
        max_shard_bytes: size above which the tensors are divided over several files.

    Raises:
        ContractError: the parameters are not those of the shape.
    """
    network = Network(config)
    values = network.unstack({name: np.asarray(value) for name, value in params.items()})
    shapes = _shapes(network)
    _check_names(values, set(shapes), subject="the model to save")
    for name, value in values.items():
        if value.shape != shapes[name]:
            raise ContractError(f"the model to save has {name} {value.shape}, not {shapes[name]}")
    grouped = places(shapes, config.family)

    def make(tensor: str) -> np.ndarray:
        names = grouped[tensor]
        return assemble([values[name] for name in names], place_of(names[0], config.family))

    _write_json(folder / CONFIG_FILE, to_huggingface(config, special_token_ids=special_token_ids))
    _write_json(folder / GENERATION_CONFIG_FILE, {"do_sample": False, **special_token_ids})
    sizes = {tensor: tensor_bytes(names, shapes) for tensor, names in grouped.items()}
    write_tensors(folder, sizes, make, max_shard_bytes=max_shard_bytes)


def load_model(folder: Path) -> LoadedModel:
    """Read a model; its parameters are float32, whatever the files hold.

    Raises:
        ContractError: the configuration is not supported, or the tensors are not those it asks for.
    """
    network = Network(load_config(folder))
    params = {name: jax.numpy.array(value) for name, value in read_params(folder, network)}
    return LoadedModel(network, {name: params[name] for name in _shapes(network)})


def load_config(folder: Path) -> ModelConfig:
    """Read a model's shape alone.

    Raises:
        ContractError: the configuration is missing, damaged or not supported.
    """
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ContractError(f"{path} does not exist") from error
    except ValueError as error:
        raise ContractError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ContractError(f"{path} is not a JSON object")
    return from_huggingface(values)


def read_params(folder: Path, network: Network) -> Iterator[tuple[str, np.ndarray]]:
    """Yield all parameters of a folder in float32 under the names of single layers, file by file.

    Raises:
        ContractError: the tensors are not those that the network asks for.
    """
    family, shapes = network.config.family, _shapes(network)
    grouped = places(shapes, family)
    files = find_tensors(folder)
    names = full_names(files, grouped, family)
    known_as = {name: full for name, full in names.items() if not is_buffer(name)}
    if HEAD in known_as and HEAD not in grouped:
        _check_tied(
            {known_as[name]: (name, path) for name, path in files.items() if name in known_as}, folder
        )
        del known_as[HEAD]
    _check_names(known_as.values(), set(grouped), subject=str(_subject(files, folder)))
    for tensor, array in read_tensors({name: files[name] for name in known_as}):
        for name in grouped[known_as[tensor]]:
            value = place_of(name, family).take(array)
            if value.shape != shapes[name]:
                raise ContractError(
                    f"{files[tensor]}: {tensor} gives {name} {value.shape}, not {shapes[name]}"
                )
            yield name, value.astype(np.float32)


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter under the names of single layers."""
    single = jax.eval_shape(lambda: network.unstack(network.init(jax.random.key(0))))
    return {name: value.shape for name, value in single.items()}


def _check_tied(files: Mapping[str, tuple[str, Path]], folder: Path) -> None:
    """Make sure that a head which is stored although it is tied is the embedding once more."""
    embedding = next(name for name in (EMBEDDING, "transformer.wte.weight") if name in files)
    head, table = (dict(read_tensors(dict([files[name]]))).popitem()[1] for name in (HEAD, embedding))
    if head.shape != table.shape or not np.array_equal(head, table):
        raise ContractError(f"{folder}: tie_word_embeddings is true, but {HEAD} is not {embedding}")


def _check_names(found: Iterable[str], expected: set[str], *, subject: str) -> None:
    missing, extra = expected - set(found), set(found) - expected
    problems = [
        f"{what} {_listed(names)}" for what, names in (("misses", missing), ("has unknown", extra)) if names
    ]
    if problems:
        raise ContractError(f"{subject} {' and '.join(problems)}")


def _subject(files: Mapping[str, Path], folder: Path) -> Path:
    """Return the one file of the weights, or the folder of several."""
    paths = set(files.values())
    return paths.pop() if len(paths) == 1 else folder


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES_IN_ERROR
    return ", ".join(ordered[:_MOST_NAMES_IN_ERROR]) + (f" and {more} more" if more > 0 else "")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
