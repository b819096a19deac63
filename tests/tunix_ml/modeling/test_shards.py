import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tunix_ml.contracts.base import ContractError
from tunix_ml.modeling.shards import find_tensors, read_tensors, write_tensors

TENSORS = {name: np.full(4, value, np.float32) for value, name in enumerate(("a", "b", "c"))}
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, max_shard_bytes=32)
    return tmp_path


def write(folder: Path, *, max_shard_bytes: int) -> None:
    sizes = {name: value.nbytes for name, value in TENSORS.items()}
    write_tensors(folder, sizes, TENSORS.__getitem__, max_shard_bytes=max_shard_bytes)


def edit_index(folder: Path, **changes: str) -> None:
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_bytes())
    index["weight_map"] |= changes
    path.write_text(json.dumps(index))


def test_a_small_model_is_one_file(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=48)

    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert find_tensors(tmp_path) == dict.fromkeys("abc", tmp_path / "model.safetensors")


def test_a_larger_one_is_several_behind_an_index(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [*SHARDS, "model.safetensors.index.json"]
    assert json.loads((folder / "model.safetensors.index.json").read_bytes()) == {
        "metadata": {"total_size": 48},
        "weight_map": {"a": SHARDS[0], "b": SHARDS[0], "c": SHARDS[1]},
    }


def test_tensors_come_back_as_they_were_written(folder: Path) -> None:
    found = dict(read_tensors(find_tensors(folder)))

    assert found.keys() == TENSORS.keys()
    assert all(np.array_equal(found[name], TENSORS[name]) for name in found)


def test_a_tensor_larger_than_a_file_may_be_has_one_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, max_shard_bytes=1)

    assert len(set(find_tensors(tmp_path).values())) == 3


def test_a_tensor_in_two_files_is_refused(folder: Path) -> None:
    save_file(load_file(folder / SHARDS[1]) | {"a": TENSORS["a"]}, folder / SHARDS[1])

    with pytest.raises(ContractError, match=r"a is both in .* and in model-00002-of-00002"):
        find_tensors(folder)


def test_a_tensor_that_the_index_does_not_know_is_refused(folder: Path) -> None:
    save_file(load_file(folder / SHARDS[1]) | {"d": TENSORS["a"]}, folder / SHARDS[1])

    with pytest.raises(
        ContractError, match=r"model-00002-of-00002\.safetensors has d, which .* does not say"
    ):
        find_tensors(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": SHARDS[1]}, "model-00002-of-00002.safetensors has no d, which"),
        ({"c": "model-00003-of-00003.safetensors"}, "model-00003-of-00003.safetensors does not exist"),
        ({"c": "../model.safetensors"}, "names '../model.safetensors', which is not a file beside it"),
    ],
)
def test_an_index_that_disagrees_with_its_files_is_refused(
    folder: Path, changes: dict[str, str], message: str
) -> None:
    edit_index(folder, **changes)

    with pytest.raises(ContractError, match=message):
        find_tensors(folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "is not an index"),
        ("[]", "it has no 'weight_map'"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "'a' is there twice"),
    ],
)
def test_a_damaged_index_is_refused(folder: Path, index: str, message: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)

    with pytest.raises(ContractError, match=message):
        find_tensors(folder)


def test_a_stale_file_beside_an_index_is_refused(folder: Path) -> None:
    save_file(TENSORS, folder / "model.safetensors")

    with pytest.raises(ContractError, match=r"has both model\.safetensors and model\.safetensors\.index"):
        find_tensors(folder)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"model\.safetensors does not exist"):
        find_tensors(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:20]])
def test_a_file_that_was_cut_is_refused(folder: Path, damage: Any) -> None:
    path = folder / SHARDS[0]
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ContractError, match=f"{SHARDS[0]} is not a whole safetensors file"):
        find_tensors(folder)


def test_quantised_tensors_are_refused(tmp_path: Path) -> None:
    save_file({"a": np.zeros(4, np.int8)}, tmp_path / "model.safetensors")

    with pytest.raises(ContractError, match=r"a is int8, not one of float32, float16, bfloat16"):
        dict(read_tensors(find_tensors(tmp_path)))
