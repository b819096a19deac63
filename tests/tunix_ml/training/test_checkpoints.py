from pathlib import Path

import jax
import numpy as np
import pytest

from tunix_ml.contracts.training import CheckpointMeta, TrainConfig
from tunix_ml.modeling.config import ModelConfig
from tunix_ml.modeling.decoder import Network
from tunix_ml.training.checkpoints import Checkpoints, ResumeError
from tunix_ml.training.step import TrainState, abstract_state, init_state

NETWORK = Network(
    ModelConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=4,
        max_position_embeddings=16,
    )
)
CONFIG = TrainConfig(num_train_steps=100)
CPU = jax.devices("cpu")[0]


@pytest.fixture(scope="module")
def fresh() -> TrainState:
    return init_state(NETWORK, CONFIG, device=CPU)


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, reports: list[str]) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", 3, reports.append)


def state_of(fresh: TrainState, step: int) -> TrainState:
    """A state whose every number depends on its step."""
    moved: TrainState = jax.tree.map(lambda leaf: leaf + step if leaf.ndim else leaf, fresh)
    return moved._replace(step=fresh.step + step)


def save(checkpoints: Checkpoints, fresh: TrainState, *steps: int) -> None:
    for step in steps:
        checkpoints.save(state_of(fresh, step), meta_of(step))


def meta_of(step: int) -> CheckpointMeta:
    return CheckpointMeta(
        step=step,
        data_position=step * 8,
        fingerprint="f",
        tokens_digest="t",
        first_loss=3.0,
        loss=0.1 + step,
        validation_loss=None,
        num_tokens_seen=step * 100,
        train_time_s=0.3,
    )


def weights_file(checkpoints: Checkpoints, step: int) -> Path:
    return max((checkpoints.folder / str(step) / "params").rglob("d/*"), key=lambda path: path.stat().st_size)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_state_is_restored_bit_for_bit(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 10)

    restored = checkpoints.restore(10, like=abstract_state(NETWORK, CONFIG, device=CPU))

    assert restored.meta == meta_of(10)
    jax.tree.map(np.testing.assert_array_equal, restored.state, state_of(fresh, 10))
    assert jax.tree.structure(restored.state) == jax.tree.structure(fresh)


def test_the_latest_checkpoints_are_kept(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8, 9, 10, 11)

    assert checkpoints.steps() == [9, 10, 11]
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["10", "11", "9"]


def test_without_a_checkpoint_the_latest_is_a_fresh_start(checkpoints: Checkpoints) -> None:
    assert checkpoints.choose("latest") is None
    assert checkpoints.choose("none") is None


def test_the_latest_or_a_given_step_is_chosen(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8, 9, 10)

    assert checkpoints.choose("latest") == 10
    assert checkpoints.choose("9") == 9


def test_later_steps_are_made_again(checkpoints: Checkpoints, fresh: TrainState, reports: list[str]) -> None:
    save(checkpoints, fresh, 8, 9, 10)

    checkpoints.choose("9")

    assert checkpoints.steps() == [8, 9]
    assert reports == ["deleting checkpoint 10, to be made again: resume_from is '9'"]


def test_none_starts_afresh(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8, 9)

    assert checkpoints.choose("none") is None
    assert checkpoints.steps() == []


@pytest.mark.parametrize("resume_from", ["7", "last", "-1", "", "/somewhere/8", "٨"])
def test_anything_else_is_an_error_that_names_the_steps(
    checkpoints: Checkpoints, fresh: TrainState, resume_from: str
) -> None:
    save(checkpoints, fresh, 8, 9)

    with pytest.raises(ResumeError, match=r"^resume_from .* nor a checkpoint of this run: there are 8, 9$"):
        checkpoints.choose(resume_from)
    assert checkpoints.steps() == [8, 9]


def test_without_a_checkpoint_the_error_says_so(checkpoints: Checkpoints) -> None:
    with pytest.raises(ResumeError, match=r"'8' is neither .* there is none yet"):
        checkpoints.choose("8")


def test_a_flipped_bit_is_found_and_the_step_before_is_used(
    checkpoints: Checkpoints, fresh: TrainState, reports: list[str]
) -> None:
    save(checkpoints, fresh, 8, 9)
    damaged = weights_file(checkpoints, 9)
    flip(damaged)

    assert checkpoints.choose("latest") == 8

    name = damaged.relative_to(checkpoints.folder / "9").as_posix()
    assert reports == [f"checkpoint 9 is damaged: {name} changed; set aside as set_aside/9.0"]
    assert (checkpoints.folder / "set_aside" / "9.0" / name).exists()


def test_every_file_of_a_checkpoint_is_covered(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8)
    files = [path for path in (checkpoints.folder / "8").rglob("*") if path.is_file() and path.stat().st_size]

    for path in files:
        sound = path.read_bytes()
        flip(path)
        assert checkpoints.problem(8), path
        path.write_bytes(sound)
    assert checkpoints.problem(8) is None


def test_a_missing_file_is_named(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8)
    (checkpoints.folder / "8" / "commit_success.txt").unlink()

    assert checkpoints.problem(8) == "checkpoint 8 is damaged: files missing or added: commit_success.txt"


def test_a_step_that_was_never_sealed_is_set_aside(
    checkpoints: Checkpoints, fresh: TrainState, reports: list[str]
) -> None:
    save(checkpoints, fresh, 8, 9)
    (checkpoints.folder / "9" / "integrity.json").unlink()

    assert checkpoints.choose("latest") == 8
    assert reports == ["checkpoint 9 was never finished; set aside as set_aside/9.0"]


def test_a_step_may_be_set_aside_twice(checkpoints: Checkpoints, fresh: TrainState) -> None:
    for _ in range(2):
        save(checkpoints, fresh, 9)
        flip(weights_file(checkpoints, 9))
        assert checkpoints.choose("latest") is None

    names = sorted(path.name for path in (checkpoints.folder / "set_aside").iterdir())
    assert names == ["9.0", "9.1"]


def test_a_damaged_step_asked_for_by_name_is_an_error(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8, 9)
    flip(weights_file(checkpoints, 9))

    with pytest.raises(ResumeError, match=r"checkpoint 9 is damaged: .* it was set aside: there are 8"):
        checkpoints.choose("9")


def test_a_deletion_cut_short_is_finished(checkpoints: Checkpoints, fresh: TrainState) -> None:
    save(checkpoints, fresh, 8)
    (checkpoints.folder / ".deleted-7" / "params").mkdir(parents=True)

    assert checkpoints.choose("latest") == 8
    assert not (checkpoints.folder / ".deleted-7").exists()
