"""The peer's side of a benchmark: `python -P torch_peer.py JOB.json` where torch is installed.

It answers each line of its input with one line of JSON:

    {"do": "train", "num_steps": 10}    step times and losses
    {"do": "decode"}                    seconds of one turn

The package's other dependencies need not be installed there.
"""

import copy
import functools
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # last: what is installed here goes first

from tunix_ml.training.torch_trainer import Rows, TorchSettings, TorchTrainer, import_torch


class TorchSide:
    """A model of transformers, trained by torch and asked by `generate`."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job, self.torch = job, import_torch()
        self.trainer = TorchTrainer(Path(job["model"]), TorchSettings(**job["settings"]))
        self.batches = itertools.cycle(read_batches(Path(job["batches"])))

    def train(self, num_steps: int) -> dict[str, Any]:
        """Do some steps."""
        times, losses = [], []
        for _ in range(num_steps):
            start = time.perf_counter()
            losses.append(
                self.trainer.train(next(self.batches), learning_rate=self.job["learning_rate"]).loss
            )
            times.append(time.perf_counter() - start)
        return {"step_times_s": times, "losses": losses, "peak_memory_bytes": self.peak_memory_bytes()}

    def decode(self) -> dict[str, float]:
        """Continue all prompts greedily."""
        ids = self.torch.tensor(self.job["prompts"], device=self.trainer.settings.device)
        num_new = self.job["max_new_tokens"]
        start = time.perf_counter()
        found = self.asked.generate(
            ids,
            attention_mask=self.torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=num_new,
            min_new_tokens=num_new,
            pad_token_id=0,
        )
        seconds = time.perf_counter() - start
        if found.shape[1] != ids.shape[1] + num_new:
            raise ValueError(f"{found.shape[1] - ids.shape[1]} tokens were written, not {num_new}")
        return {"decode_time_s": seconds}

    @functools.cached_property
    def asked(self) -> Any:
        """The model as it is asked: for bfloat16 a copy with such parameters, as autocast would be slower."""
        is_copied = self.trainer.settings.precision == "bfloat16"
        model = copy.deepcopy(self.trainer.model).to(self.torch.bfloat16) if is_copied else self.trainer.model
        return model.eval()

    def peak_memory_bytes(self) -> int:
        """Return the most memory taken so far: of the device, on a CPU of this process."""
        if self.trainer.settings.device.startswith("cuda"):
            return int(self.torch.cuda.max_memory_allocated())
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_batches(path: Path) -> list[Rows]:
    """Return the batches of a file of numpy's, arrays of shape (batches, batch, length)."""
    with np.load(path, allow_pickle=False) as arrays:
        fields = [list(arrays[name]) for name in Rows._fields]
    return [Rows(*batch) for batch in zip(*fields, strict=True)]


def answers(lines: Iterator[str], side: TorchSide) -> Iterator[dict[str, Any]]:
    """Yield the answer to each line."""
    for line in lines:
        request = json.loads(line)
        yield side.train(request["num_steps"]) if request["do"] == "train" else side.decode()


def main() -> None:
    """Read the job, say the versions, and answer until the input ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)  # what a library prints is no answer
        side = TorchSide(json.loads(Path(sys.argv[1]).read_bytes()))
        versions = {name: sys.modules[name].__version__ for name in ("torch", "transformers")}
        for answer in itertools.chain([{"versions": versions}], answers(sys.stdin, side)):
            output.write(json.dumps(answer) + "\n")
            output.flush()


if __name__ == "__main__":
    main()
