"""Transformers + torch in a process of its own, asked for turns of the same work."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tunix_ml.benchmark import torch_peer
from tunix_ml.benchmark.engine import Turn, recipe_of
from tunix_ml.benchmark.workload import Workload
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.benchmark import BenchmarkConfig
from tunix_ml.durable import make_directory

NAME = "transformers + torch"
_MOST_OF_ERROR = 500


class PeerFailed(TunixError):
    """The peer is not there, or has ended with an error."""


class PeerSide:
    """A running peer."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors
        self.versions: dict[str, str] = self._read()["versions"]
        self.compile_time_s, self.peak_memory_bytes = 0.0, 0

    def turn(self, num_steps: int) -> Turn:
        """Do some steps of training.

        Raises:
            PeerFailed: the process has ended with an error.
        """
        found = self._ask({"do": "train", "num_steps": num_steps})
        self.peak_memory_bytes = found["peak_memory_bytes"]
        self.compile_time_s = self.compile_time_s or found["step_times_s"][0]
        return Turn(found["step_times_s"], found["losses"])

    def decode(self) -> float:
        """Continue all prompts once, and return the wall seconds.

        Raises:
            PeerFailed: the process has ended with an error.
        """
        return float(self._ask({"do": "decode"})["decode_time_s"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin  # noqa: S101 - it was opened as a pipe
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> PeerFailed:
        said = " ".join(self._errors.read_text(encoding="utf-8", errors="replace").split())
        return PeerFailed(f"{NAME} failed: …{said[-_MOST_OF_ERROR:]}")


class PeerWork(NamedTuple):
    """What a peer works on: a model folder, batches and prompts."""

    folder: Path
    workload: Workload
    prompts: Sequence[Sequence[int]]


@contextmanager
def running_peer(
    config: BenchmarkConfig, work: PeerWork, *, device: str, scratch: Path
) -> Iterator[PeerSide]:
    """Yield a peer that has loaded the model, and end it afterwards.

    Args:
        config: which interpreter, and the settings of the model's training.
        work: what it works on.
        device: as torch names it.
        scratch: an empty folder for the files handed over.

    Raises:
        PeerFailed: the interpreter has no torch or no transformers, or they failed.
    """
    make_directory(scratch)
    job, errors = scratch / "job.json", scratch / "errors.txt"
    job.write_text(json.dumps(_job(config, work, device=device, batches=scratch / "batches.npz")))
    python = config.peer_python or sys.executable
    command = [python, "-P", torch_peer.__file__, str(job)]
    with errors.open("w") as error_file, _started(command, error_file) as process:
        try:
            yield PeerSide(process, errors)
        finally:
            process.kill()


def is_peer_wanted(config: BenchmarkConfig) -> bool:
    """Say whether a peer is to be timed: asked for, or simply there."""
    is_there = bool(config.peer_python) or importlib.util.find_spec("torch") is not None
    return config.peer == "on" or (config.peer == "auto" and is_there)


def _job(config: BenchmarkConfig, work: PeerWork, *, device: str, batches: Path) -> dict[str, Any]:
    fields = ("inputs", "targets", "weights", "positions")
    arrays = {name: np.stack([getattr(batch, name) for batch in work.workload.batches]) for name in fields}
    np.savez(batches, **arrays)  # type: ignore[arg-type]
    recipe = recipe_of(config)
    return {
        "model": str(work.folder),
        "batches": str(batches),
        "prompts": work.prompts,
        "max_new_tokens": config.max_new_tokens,
        "learning_rate": recipe.learning_rate,
        "settings": {
            "device": device,
            "precision": recipe.precision,
            "weight_decay": recipe.weight_decay,
            "adam_b1": recipe.adam_b1,
            "adam_b2": recipe.adam_b2,
            "grad_clip_norm": recipe.grad_clip_norm,
            "remat": config.remat == "on",
        },
    }


@contextmanager
def _started(command: list[str], error_file: Any) -> Iterator[subprocess.Popen[str]]:
    try:
        process = subprocess.Popen(  # noqa: S603 - an interpreter that the user names
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=error_file, text=True
        )
    except OSError as error:
        raise PeerFailed(f"{command[0]} cannot be started: {error}") from error
    with process:
        yield process
