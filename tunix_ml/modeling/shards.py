"""The safetensors files of a folder: one, or several behind an index.

Tensors are read and written one file after the other, so that a model is never in memory twice.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tunix_ml.contracts.base import ContractError

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
_DTYPES = ("float32", "float16", "bfloat16")


def find_tensors(folder: Path) -> dict[str, Path]:
    """Return the file of every tensor in a folder.

    Raises:
        ContractError: there are no weights, a file is missing or damaged, a tensor is in two files, or the
            index disagrees with the files.
    """
    single, index = folder / WEIGHTS_FILE, folder / INDEX_FILE
    if single.exists() and index.exists():
        raise ContractError(
            f"{folder} has both {WEIGHTS_FILE} and {INDEX_FILE}: remove the one that is stale"
        )
    if not index.exists():
        return dict.fromkeys(_names_in(single), single)
    weight_map = read_index(index)
    found: dict[str, Path] = {}
    for path in (folder / name for name in sorted(set(weight_map.values()))):
        for name in _names_in(path):
            if name in found:
                raise ContractError(f"{name} is both in {found[name]} and in {path.name}")
            if weight_map.get(name) != path.name:
                raise ContractError(f"{path} has {name}, which {INDEX_FILE} does not say")
            found[name] = path
    if missing := sorted(weight_map.keys() - found.keys()):
        raise ContractError(f"{folder / weight_map[missing[0]]} has no {missing[0]}, which {INDEX_FILE} says")
    return found


def read_tensors(files: Mapping[str, Path]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield tensors by their names, file by file, in the type they are stored in.

    Raises:
        ContractError: a tensor is neither float32 nor float16 nor bfloat16.
    """
    for path in sorted(set(files.values())):
        with safe_open(path, framework="numpy") as opened:
            for name in (name for name, file in files.items() if file == path):
                tensor = opened.get_tensor(name)
                if tensor.dtype.name not in _DTYPES:
                    raise ContractError(
                        f"{path}: {name} is {tensor.dtype.name}, not one of {', '.join(_DTYPES)}"
                    )
                yield name, tensor


def write_tensors(
    folder: Path, sizes: Mapping[str, int], make: Callable[[str], np.ndarray], *, max_shard_bytes: int
) -> None:
    """Write tensors to one file, or to several with an index; the same values give the same bytes.

    Args:
        folder: an existing folder.
        sizes: bytes of each tensor, in the order in which the files are filled.
        make: returns a tensor; called for one file after the other.
        max_shard_bytes: a file holds more only if it holds one tensor.
    """
    shards = _divide(sizes, max_shard_bytes)
    names = [f"model-{index:05}-of-{len(shards):05}.safetensors" for index in range(1, len(shards) + 1)]
    if len(shards) == 1:
        names = [WEIGHTS_FILE]
    for name, shard in zip(names, shards, strict=True):
        tensors = {tensor: make(tensor) for tensor in shard}
        save_file(tensors, folder / name, metadata={"format": "pt"})  # transformers asks for "format"
    if len(shards) > 1:
        weight_map = {tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map}
        text = json.dumps(index, indent=2, sort_keys=True)
        (folder / INDEX_FILE).write_text(text + "\n", encoding="utf-8")


def _divide(sizes: Mapping[str, int], max_shard_bytes: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > max_shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _names_in(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="numpy") as opened:
            return sorted(opened.keys())
    except FileNotFoundError as error:
        raise ContractError(f"{path} does not exist") from error
    except SafetensorError as error:
        raise ContractError(f"{path} is not a whole safetensors file: {error}") from error


def read_index(path: Path) -> dict[str, str]:
    """Return the name of the file of each tensor.

    Raises:
        ContractError: the index is damaged, or names a file that does not lie beside it.
    """
    try:
        index = json.loads(path.read_bytes(), object_pairs_hook=_without_duplicates)
    except ValueError as error:
        raise ContractError(f"{path} is not an index of safetensors: {error}") from error
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ContractError(f"{path} is not an index of safetensors: it has no 'weight_map'")
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise ContractError(f"{path} names {name!r}, which is not a file beside it")
    return weight_map


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return values
