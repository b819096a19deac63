import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.training import checkpoint_folder
from tunix_ml.training.checkpoints import Checkpoints, DiskFull, ResumeError
from tunix_ml.training.step import TrainState

Save = Callable[..., None]
Choose = Callable[[str], int | None]


@pytest.fixture
def save(
    checkpoints: Checkpoints,
    state_after: Callable[[int], TrainState],
    meta_after: Callable[..., CheckpointMeta],
) -> Save:
    """A function that saves some steps."""

    def save_steps(*steps: int, to: Checkpoints = checkpoints, **meta: Any) -> None:
        for step in steps:
            to.folder.mkdir(exist_ok=True, parents=True)
            checkpoint_folder.write(to.path(step), state_after(step), meta_after(step, **meta))
            checkpoint_folder.seal(to.path(step))

    return save_steps


@pytest.fixture
def choose(checkpoints: Checkpoints, fingerprint: str) -> Choose:
    """A function that chooses where to resume."""
    return lambda resume_from: checkpoints.choose(resume_from, fingerprint=fingerprint)


@pytest.fixture
def elsewhere(tmp_path: Path, save: Save) -> Path:
    """A checkpoint of step 9 of the same run, on another machine."""
    other = Checkpoints(tmp_path / "elsewhere", 1, print)
    save(9, to=other)
    return other.path(9)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def weights_file(checkpoints: Checkpoints, step: int) -> Path:
    files = (checkpoints.path(step) / "params").rglob("d/*")
    return max(files, key=lambda path: path.stat().st_size)


def test_a_state_is_restored_bit_for_bit(
    checkpoints: Checkpoints,
    save: Save,
    state_after: Callable[[int], TrainState],
    meta_after: Callable[..., CheckpointMeta],
) -> None:
    save(10)
    place = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state_after(0)
    )

    restored = checkpoints.restore(10, like=like)

    assert restored.meta == meta_after(10)
    jax.tree.map(np.testing.assert_array_equal, restored.state, state_after(10))


# which are kept


def test_the_latest_checkpoints_are_kept(checkpoints: Checkpoints, save: Save) -> None:
    save(8, 9, 10, 11)

    checkpoints.retire()

    assert checkpoints.steps() == [9, 10, 11]
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["10", "11", "9"]


def test_the_best_are_kept_beside_the_latest(tmp_path: Path, save: Save) -> None:
    checkpoints = Checkpoints(tmp_path / "best", 1, print, keep_best=2)
    for step, loss in ((1, 2.0), (2, 0.5), (3, None), (4, 0.7), (5, 0.9), (6, 1.5)):
        save(step, to=checkpoints, validation_loss=loss)

    checkpoints.retire()

    assert checkpoints.steps() == [2, 4, 6]


def test_of_equal_losses_the_later_is_the_better(tmp_path: Path, save: Save) -> None:
    checkpoints = Checkpoints(tmp_path / "best", 1, print, keep_best=1)
    save(1, 2, 3, to=checkpoints, validation_loss=1.0)
    save(4, to=checkpoints, validation_loss=2.0)

    checkpoints.retire()

    assert checkpoints.steps() == [3, 4]


def test_one_damaged_since_it_was_saved_is_not_the_best(tmp_path: Path, save: Save) -> None:
    checkpoints = Checkpoints(tmp_path / "best", 1, print, keep_best=1)
    save(1, 2, 3, to=checkpoints, validation_loss=1.0)
    (checkpoints.path(2) / "meta" / "metadata").write_bytes(b"{")

    checkpoints.retire()

    assert checkpoints.steps() == [3]


class Usage(NamedTuple):
    free: int


def test_a_checkpoint_needs_room(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2_000_000))

    checkpoints.check_room(900_000, step=7)
    with pytest.raises(
        DiskFull, match=r"^checkpoint 7 needs 2,048,576 bytes, but 2,000,000 are free for /.*"
    ):
        checkpoints.check_room(1_000_000, step=7)


# where to resume


def test_without_a_checkpoint_the_latest_is_a_fresh_start(choose: Choose) -> None:
    assert choose("latest") is None
    assert choose("none") is None


def test_the_latest_or_a_given_step_is_chosen(choose: Choose, save: Save) -> None:
    save(8, 9, 10)

    assert choose("latest") == 10
    assert choose("9") == 9


def test_later_steps_are_made_again(
    checkpoints: Checkpoints, choose: Choose, save: Save, reports: list[str]
) -> None:
    save(8, 9, 10)

    choose("9")

    assert checkpoints.steps() == [8, 9]
    assert reports == ["deleting checkpoint 10, to be made again: resume_from is '9'"]


def test_none_starts_afresh(checkpoints: Checkpoints, choose: Choose, save: Save) -> None:
    save(8, 9)

    assert choose("none") is None
    assert checkpoints.steps() == []


@pytest.mark.parametrize("resume_from", ["7", "last", "-1", "", "٨"])
def test_anything_else_is_an_error_that_names_the_steps(
    checkpoints: Checkpoints, choose: Choose, save: Save, resume_from: str
) -> None:
    save(8, 9)

    with pytest.raises(ResumeError, match=r"^resume_from .* nor a checkpoint of this run: there are 8, 9$"):
        choose(resume_from)
    assert checkpoints.steps() == [8, 9]


def test_without_a_checkpoint_the_error_says_so(choose: Choose) -> None:
    with pytest.raises(ResumeError, match=r"'8' is neither .* there is none yet"):
        choose("8")


@pytest.mark.parametrize("resume_from", ["latest", "9"])
def test_a_checkpoint_of_another_run_is_refused(
    checkpoints: Checkpoints, save: Save, resume_from: str
) -> None:
    save(8, 9, 10)

    with pytest.raises(ResumeError, match=r"checkpoints/\d+ is of another run: its identity is .*'s other$"):
        checkpoints.choose(resume_from, fingerprint="other")
    assert checkpoints.steps() == [8, 9, 10]


# what is damaged


def test_a_flipped_bit_is_found_and_the_step_before_is_used(
    checkpoints: Checkpoints, choose: Choose, save: Save, reports: list[str]
) -> None:
    save(8, 9)
    damaged = weights_file(checkpoints, 9)
    flip(damaged)

    assert choose("latest") == 8

    name = damaged.relative_to(checkpoints.path(9)).as_posix()
    assert reports == [f"checkpoint 9 is damaged: {name} changed; set aside as set_aside/9.0"]
    assert (checkpoints.folder / "set_aside" / "9.0" / name).exists()


def test_a_step_that_was_never_sealed_is_set_aside(
    checkpoints: Checkpoints, choose: Choose, save: Save, reports: list[str]
) -> None:
    save(8, 9)
    (checkpoints.path(9) / "integrity.json").unlink()

    assert choose("latest") == 8
    assert reports == ["checkpoint 9 was never finished; set aside as set_aside/9.0"]


def test_a_step_may_be_set_aside_twice(checkpoints: Checkpoints, choose: Choose, save: Save) -> None:
    for _ in range(2):
        save(9)
        flip(weights_file(checkpoints, 9))
        assert choose("latest") is None

    names = sorted(path.name for path in (checkpoints.folder / "set_aside").iterdir())
    assert names == ["9.0", "9.1"]


def test_a_damaged_step_asked_for_by_name_is_an_error(
    checkpoints: Checkpoints, choose: Choose, save: Save
) -> None:
    save(8, 9)
    flip(weights_file(checkpoints, 9))

    with pytest.raises(ResumeError, match=r"checkpoint 9 is damaged: .* it was set aside: there are 8"):
        choose("9")


def test_what_a_kill_has_cut_short_is_cleared_away(
    checkpoints: Checkpoints, choose: Choose, save: Save
) -> None:
    save(8)
    (checkpoints.folder / ".deleted-7" / "params").mkdir(parents=True)
    (checkpoints.folder / ".copied-9" / "params").mkdir(parents=True)

    assert choose("latest") == 8
    assert [path.name for path in checkpoints.folder.iterdir()] == ["8"]


# a checkpoint from another place


def test_a_checkpoint_of_another_place_is_copied_and_chosen(
    checkpoints: Checkpoints, choose: Choose, elsewhere: Path, save: Save, reports: list[str]
) -> None:
    save(8, 10)

    assert choose(str(elsewhere)) == 9

    assert checkpoints.steps() == [8, 9]
    assert checkpoints.problem(9) is None
    assert elsewhere.is_dir()
    assert reports[0] == f"copied checkpoint 9 from {elsewhere}"


def test_a_path_into_the_run_itself_is_the_step(checkpoints: Checkpoints, choose: Choose, save: Save) -> None:
    save(8, 9)

    assert choose(str(checkpoints.path(8))) == 8
    assert checkpoints.steps() == [8]


def test_a_copy_of_what_is_there_is_not_made(
    checkpoints: Checkpoints, choose: Choose, save: Save, tmp_path: Path, reports: list[str]
) -> None:
    save(9)
    shutil.copytree(checkpoints.path(9), tmp_path / "copy")

    assert choose(str(tmp_path / "copy")) == 9
    assert reports == []


def test_a_checkpoint_of_another_place_goes_before_the_own_of_that_step(
    checkpoints: Checkpoints, choose: Choose, elsewhere: Path, save: Save
) -> None:
    save(9, loss=7.0)

    assert choose(str(elsewhere)) == 9

    assert checkpoint_folder.read_meta(checkpoints.path(9)).loss == 9.1
    assert checkpoint_folder.read_meta(checkpoints.folder / "set_aside" / "9.0").loss == 7.0


def test_a_damaged_checkpoint_of_another_place_is_refused_and_left_there(
    checkpoints: Checkpoints, choose: Choose, elsewhere: Path, save: Save
) -> None:
    save(8, 10)
    flip(elsewhere / "meta" / "metadata")

    with pytest.raises(ResumeError, match=rf"^resume_from: {elsewhere} is damaged: meta/metadata changed$"):
        choose(str(elsewhere))
    assert elsewhere.is_dir()
    assert checkpoints.steps() == [8, 10]


def test_a_checkpoint_of_another_run_elsewhere_is_refused(
    checkpoints: Checkpoints, elsewhere: Path, save: Save
) -> None:
    save(8, 10)

    with pytest.raises(ResumeError, match=rf"^{elsewhere} is of another run"):
        checkpoints.choose(str(elsewhere), fingerprint="other")
    assert checkpoints.steps() == [8, 10]


def test_a_path_that_leads_nowhere_is_an_error(choose: Choose, save: Save) -> None:
    save(8)

    with pytest.raises(ResumeError, match=r"^resume_from '/nowhere/9' is no folder; this run: there are 8$"):
        choose("/nowhere/9")
