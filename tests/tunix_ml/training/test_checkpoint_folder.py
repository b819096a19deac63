from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.training.checkpoint_folder import find_problem, is_copy_of, read_meta, read_state, seal, write
from tunix_ml.training.step import TrainState

MakeState = Callable[[int], TrainState]


@pytest.fixture
def sealed(tmp_path: Path, state_after: MakeState, meta_after: Callable[..., CheckpointMeta]) -> Path:
    """A checkpoint of step 8."""
    path = tmp_path / "8"
    write(path, state_after(8), meta_after(8))
    seal(path)
    return path


def flip(path: Path, *, byte: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << byte % 8
    path.write_bytes(data)


def test_a_state_is_read_bit_for_bit(
    sealed: Path, state_after: MakeState, meta_after: Callable[..., CheckpointMeta]
) -> None:
    place = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state_after(0)
    )

    state = read_state(sealed, like=like)

    jax.tree.map(np.testing.assert_array_equal, state, state_after(8))
    assert jax.tree.structure(state) == jax.tree.structure(state_after(8))
    assert read_meta(sealed) == meta_after(8)


def test_a_sound_checkpoint_has_no_problem(sealed: Path) -> None:
    assert find_problem(sealed, subject="it") is None


def test_any_flipped_byte_is_found_and_its_file_named(sealed: Path) -> None:
    files = [path for path in sealed.rglob("*") if path.is_file() and path.stat().st_size]

    for path in files:
        size = path.stat().st_size
        for byte in {0, size // 3, size // 2, size - 1}:
            flip(path, byte=byte)
            assert path.relative_to(sealed).as_posix() in str(find_problem(sealed, subject="it"))
            flip(path, byte=byte)

    assert len(files) > 10
    assert find_problem(sealed, subject="it") is None


def test_any_flipped_byte_of_the_seal_is_found(sealed: Path) -> None:
    path = sealed / "integrity.json"

    for byte in range(0, path.stat().st_size, 11):
        flip(path, byte=byte)
        assert str(find_problem(sealed, subject="it")).startswith("it is damaged: integrity.json ")
        flip(path, byte=byte)


@pytest.mark.parametrize("seal_text", ["{", "[]", "null", "{}", '{"files": {}, "digest": ""}'])
def test_a_seal_that_is_none_is_found(sealed: Path, seal_text: str) -> None:
    (sealed / "integrity.json").write_text(seal_text)

    assert "integrity.json" in str(find_problem(sealed, subject="it"))


def test_a_missing_and_a_foreign_file_are_named(sealed: Path) -> None:
    (sealed / "meta" / "metadata").rename(sealed / "meta" / "other")

    problem = find_problem(sealed, subject="it")

    assert problem == "it is damaged: files missing or added: meta/metadata, meta/other"


def test_a_folder_without_a_seal_was_never_finished(sealed: Path) -> None:
    (sealed / "integrity.json").unlink()

    assert find_problem(sealed, subject="checkpoint 8") == "checkpoint 8 was never finished"


def test_a_copy_is_told_by_its_seal(
    sealed: Path, tmp_path: Path, state_after: MakeState, meta_after: Callable[..., CheckpointMeta]
) -> None:
    write(tmp_path / "9", state_after(9), meta_after(9))
    seal(tmp_path / "9")

    assert is_copy_of(sealed, sealed)
    assert not is_copy_of(sealed, tmp_path / "9")
