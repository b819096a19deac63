"""Checkpoints for resume: Orbax steps, each sealed by the sha256 of all its files.

    checkpoints/<step>/…                what Orbax wrote: params, opt_state, meta
    checkpoints/<step>/integrity.json   written last: a step without it was never finished
    checkpoints/set_aside/<step>.<n>/   steps found damaged or unfinished, never used again

Orbax restores flipped bits in silence, so nothing is restored before its digests have been compared.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.options import AtomicityMode, AtomicityOptions

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import canonical_json, file_sha256
from tunix_ml.contracts.training import CheckpointMeta
from tunix_ml.durable import sync_tree, write_atomically
from tunix_ml.training.step import TrainState

_INTEGRITY = "integrity.json"
_SET_ASIDE = "set_aside"
_DELETED = ".deleted-"


class ResumeError(TunixError, ValueError):
    """`resume_from` names something a run cannot be resumed from."""


class Restored(NamedTuple):
    """A state as it was saved, and what was said about it."""

    state: TrainState
    meta: CheckpointMeta


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run; the caller holds the run's lease."""

    folder: Path
    keep: int
    report: Callable[[str], None]

    def steps(self) -> list[int]:
        """Return the steps there are, finished or not, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def choose(self, resume_from: str) -> int | None:
        """Return the sound step to resume from, None for a fresh start.

        Damaged and unfinished steps met on the way are set aside and reported, and with a step or `none`
        the later ones are deleted: they are about to be made again.

        Raises:
            ResumeError: `resume_from` is neither `latest` nor `none` nor a sound step of this run.
        """
        self._sweep()
        if resume_from == "latest":
            return self._latest_sound()
        step = None if resume_from == "none" else self._asked_for(resume_from)
        for later in self.steps():
            if step is None or later > step:
                self.report(f"deleting checkpoint {later}, to be made again: resume_from is {resume_from!r}")
                self._delete(later)
        return step

    def save(self, state: TrainState, meta: CheckpointMeta) -> None:
        """Write one step, seal it, and delete the oldest beyond those to keep."""
        path = self.folder / str(meta.step)
        self.folder.mkdir(parents=True, exist_ok=True)
        with _checkpointer() as checkpointer:
            checkpointer.save(
                path.absolute(),
                args=ocp.args.Composite(
                    params=ocp.args.StandardSave(state.params),
                    opt_state=ocp.args.StandardSave(_named(state.opt_state)),
                    meta=ocp.args.JsonSave(meta.model_dump(mode="json")),
                ),
            )
        digests = {path_in: file_sha256(path / path_in) for path_in in _files(path)}
        sync_tree(path)
        write_atomically(path / _INTEGRITY, canonical_json(digests))
        for old in self.steps()[: -self.keep]:
            self._delete(old)

    def restore(self, step: int, *, like: TrainState) -> Restored:
        """Read one step that `choose` has returned; `like` gives shapes, types and places."""
        names = _named(like.opt_state)
        with _checkpointer() as checkpointer:
            saved = checkpointer.restore(
                (self.folder / str(step)).absolute(),
                args=ocp.args.Composite(
                    params=ocp.args.StandardRestore(like.params),
                    opt_state=ocp.args.StandardRestore(names),
                    meta=ocp.args.JsonRestore(),
                ),
            )
        leaves = [saved.opt_state[name] for name in names]
        opt_state = jax.tree.unflatten(jax.tree.structure(like.opt_state), leaves)
        count = jax.device_put(jax.numpy.int32(step), like.step.sharding)
        state = TrainState(count, saved.params, opt_state)
        return Restored(state, CheckpointMeta.parse(json.dumps(saved.meta).encode(), subject=f"step {step}"))

    def problem(self, step: int) -> str | None:
        """Return what is wrong with a step as one sentence, None if it is as it was saved."""
        path = self.folder / str(step)
        try:
            digests = json.loads((path / _INTEGRITY).read_bytes())
        except FileNotFoundError:
            return f"checkpoint {step} was never finished"
        except ValueError:
            return f"checkpoint {step} is damaged: {_INTEGRITY} is not JSON"
        files = set(_files(path))
        if not isinstance(digests, dict) or files != set(digests):
            differing = sorted(files.symmetric_difference(digests))
            return f"checkpoint {step} is damaged: files missing or added: {', '.join(differing)}"
        changed = [name for name in sorted(files) if file_sha256(path / name) != digests[name]]
        return f"checkpoint {step} is damaged: {', '.join(changed)} changed" if changed else None

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
                f"resume_from {resume_from!r} is neither 'latest' nor 'none' nor a checkpoint of this run:"
                f" {self._existing()}"
            )
        problem = self.problem(step)
        if problem:
            self._set_aside(step, problem)
            raise ResumeError(f"{problem}; it was set aside: {self._existing()}")
        return step

    def _existing(self) -> str:
        return f"there are {', '.join(map(str, self.steps()))}" if self.steps() else "there is none yet"

    def _set_aside(self, step: int, problem: str) -> None:
        target = self.folder / _SET_ASIDE
        target.mkdir(exist_ok=True)
        taken = sum(1 for path in target.iterdir() if path.name.startswith(f"{step}."))
        (self.folder / str(step)).rename(target / f"{step}.{taken}")
        self.report(f"{problem}; set aside as {_SET_ASIDE}/{step}.{taken}")

    def _delete(self, step: int) -> None:
        """Delete a step so that a half-deleted one is never taken for a checkpoint."""
        doomed = self.folder / f"{_DELETED}{step}"
        (self.folder / str(step)).rename(doomed)
        shutil.rmtree(doomed)

    def _sweep(self) -> None:
        """Finish deletions that a kill has cut short."""
        for path in self.folder.glob(f"{_DELETED}*"):
            shutil.rmtree(path)


def _checkpointer() -> ocp.Checkpointer:
    """Return a checkpointer that marks a finished save by a file and never takes a rename for it."""
    return ocp.Checkpointer(
        ocp.CompositeCheckpointHandler(),
        atomicity_options=AtomicityOptions(mode=AtomicityMode.COMMIT_FILE, allow_legacy_atomic_rename=False),
    )


def _named(tree: Any) -> dict[str, Any]:
    """Return the leaves of a tree under their paths: a plain dict needs no classes to be read again."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _files(path: Path) -> list[str]:
    found = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    return sorted(name for name in found if name != _INTEGRITY)
