"""The checkpoints of one run: which there are, which to resume from, which to keep.

    checkpoints/<step>/             one checkpoint, sealed
    checkpoints/set_aside/<step>.<n>/   those found damaged or unfinished, never used again

What a single checkpoint consists of is the business of `checkpoint_folder`.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.durable import make_directory, sync, sync_tree
from tunix_ml.training import checkpoint_folder
from tunix_ml.training.step import TrainState

_SET_ASIDE = "set_aside"
_DELETED = ".deleted-"
_COPIED = ".copied-"
_SPARE_BYTES = 1 << 20  # file headers, the seal, the directory's own blocks


class ResumeError(TunixError, ValueError):
    """`resume_from` names something a run cannot be resumed from."""


class DiskFull(TunixError, OSError):
    """A checkpoint would not fit on the disk."""


class Restored(NamedTuple):
    """A state as it was saved, and what was said about it."""

    state: TrainState
    meta: CheckpointMeta


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run; the caller holds the run's lease.

    Attributes:
        folder: where they lie.
        keep: latest checkpoints kept.
        report: told about everything that is set aside or deleted on the way to a resume.
        keep_best: checkpoints of the lowest validation loss kept beside them.
    """

    folder: Path
    keep: int
    report: Callable[[str], None]
    keep_best: int = 0

    def path(self, step: int) -> Path:
        """Return the folder of a step."""
        return self.folder / str(step)

    def steps(self) -> list[int]:
        """Return the steps there are, finished or not, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def choose(self, resume_from: str, *, fingerprint: str) -> int | None:
        """Return the sound step to resume from, None for a fresh start.

        Damaged and unfinished steps met on the way are set aside and reported. Unless `latest` is asked for,
        the later ones are deleted: they are about to be made again. A path is copied here first.

        Args:
            resume_from: `latest`, `none`, a step, or the path of a checkpoint.
            fingerprint: of the run's identity.

        Raises:
            ResumeError: `resume_from` names no sound checkpoint of this identity.
            DiskFull: there is no room to copy the checkpoint of a path.
        """
        self._sweep()
        if resume_from == "latest":
            step = self._latest_sound()
        elif resume_from == "none":
            step = None
        elif "/" in resume_from:
            step = self._adopt(Path(resume_from).expanduser(), fingerprint)
        else:
            step = self._asked_for(resume_from)
        if step is not None:
            _check_identity(self.path(step), fingerprint)
        if resume_from != "latest":
            self._delete_after(step, resume_from)
        return step

    def problem(self, step: int) -> str | None:
        """Return what is wrong with a step as one sentence, None if it is as it was saved."""
        return checkpoint_folder.find_problem(self.path(step), subject=f"checkpoint {step}")

    def restore(self, step: int, *, like: TrainState) -> Restored:
        """Read one step that `choose` has returned; `like` gives shapes, types and places."""
        path = self.path(step)
        return Restored(checkpoint_folder.read_state(path, like=like), checkpoint_folder.read_meta(path))

    def check_room(self, num_bytes: int, *, step: int) -> None:
        """Make sure that a checkpoint of a size fits on the disk.

        Raises:
            DiskFull: it does not.
        """
        make_directory(self.folder)
        free = shutil.disk_usage(self.folder).free
        if free < num_bytes + _SPARE_BYTES:
            raise DiskFull(
                f"checkpoint {step} needs {num_bytes + _SPARE_BYTES:,} bytes, but {free:,} are free for"
                f" {self.folder}: make room, or lower keep_checkpoints; the same command then goes on"
            )

    def retire(self) -> None:
        """Delete all steps but the latest and the best."""
        steps = self.steps()
        for step in set(steps) - {*steps[-self.keep :], *self._best(steps)}:
            self._delete(step)

    def _best(self, steps: list[int]) -> list[int]:
        losses = {step: self._validation_loss(step) for step in steps} if self.keep_best else {}
        evaluated = [(loss, -step) for step, loss in losses.items() if loss is not None]
        return [-step for _, step in sorted(evaluated)[: self.keep_best]]

    def _validation_loss(self, step: int) -> float | None:
        try:
            return checkpoint_folder.read_meta(self.path(step)).validation_loss
        except (ContractError, FileNotFoundError):  # damaged since it was sealed: it cannot be the best
            return None

    def _latest_sound(self) -> int | None:
        for step in reversed(self.steps()):
            problem = self.problem(step)
            if problem is None:
                return step
            self._set_aside(step, problem)
        return None

    def _asked_for(self, resume_from: str) -> int:
        step = int(resume_from) if resume_from.isdecimal() and resume_from.isascii() else None
        if step is None or step not in self.steps():
            raise ResumeError(
                f"resume_from {resume_from!r} is neither 'latest' nor 'none' nor a path nor a checkpoint of"
                f" this run: {self._existing()}"
            )
        problem = self.problem(step)
        if problem:
            self._set_aside(step, problem)
            raise ResumeError(f"{problem}; it was set aside: {self._existing()}")
        return step

    def _adopt(self, source: Path, fingerprint: str) -> int:
        """Copy a checkpoint of another place here, unless it is here already, and return its step."""
        if not source.is_dir():
            raise ResumeError(f"resume_from {str(source)!r} is no folder; this run: {self._existing()}")
        if problem := checkpoint_folder.find_problem(source, subject=str(source)):
            raise ResumeError(f"resume_from: {problem}")
        step = _check_identity(source, fingerprint).step
        own = self.path(step)
        if own.resolve() == source.resolve():
            return step
        if own.is_dir() and self.problem(step) is None and checkpoint_folder.is_copy_of(own, source):
            return step
        copied = self._copy(source, step)
        if own.is_dir():
            self._set_aside(step, f"checkpoint {step} gives way to {source}")
        copied.rename(own)
        sync(self.folder)
        return step

    def _copy(self, source: Path, step: int) -> Path:
        """Copy a checkpoint into a folder that is none yet, and return it."""
        self.check_room(sum(path.stat().st_size for path in source.rglob("*")), step=step)
        copied = self.folder / f"{_COPIED}{step}"
        shutil.copytree(source, copied)
        sync_tree(copied)
        if problem := checkpoint_folder.find_problem(copied, subject=f"the copy of {source}"):
            raise ResumeError(problem)
        self.report(f"copied checkpoint {step} from {source}")
        return copied

    def _existing(self) -> str:
        return f"there are {', '.join(map(str, self.steps()))}" if self.steps() else "there is none yet"

    def _set_aside(self, step: int, problem: str) -> None:
        target = self.folder / _SET_ASIDE
        target.mkdir(exist_ok=True)
        taken = sum(1 for path in target.iterdir() if path.name.startswith(f"{step}."))
        self.path(step).rename(target / f"{step}.{taken}")
        self.report(f"{problem}; set aside as {_SET_ASIDE}/{step}.{taken}")

    def _delete_after(self, step: int | None, resume_from: str) -> None:
        for later in self.steps():
            if step is None or later > step:
                self.report(f"deleting checkpoint {later}, to be made again: resume_from is {resume_from!r}")
                self._delete(later)

    def _delete(self, step: int) -> None:
        """Delete a step so that a half-deleted one is never taken for a checkpoint."""
        doomed = self.folder / f"{_DELETED}{step}"
        self.path(step).rename(doomed)
        shutil.rmtree(doomed)

    def _sweep(self) -> None:
        """Finish deletions that a kill has cut short, and forget unfinished copies."""
        for pattern in (_DELETED, _COPIED):
            for path in self.folder.glob(f"{pattern}*"):
                shutil.rmtree(path)


def _check_identity(path: Path, fingerprint: str) -> CheckpointMeta:
    """Return what a sound checkpoint says about its run, after comparing whose it is."""
    meta = checkpoint_folder.read_meta(path)
    if meta.fingerprint != fingerprint:
        raise ResumeError(
            f"{path} is of another run: its identity is {meta.fingerprint}, this run's {fingerprint}"
        )
    return meta
