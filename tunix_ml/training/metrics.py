"""`metrics.jsonl`: one line for each reported step, each step once, whatever was killed in between."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tunix_ml.contracts.training import MetricsRow
from tunix_ml.durable import write_atomically

METRICS_FILE = "metrics.jsonl"
_SECONDS_PER_MINUTE = 60


def read_metrics(path: Path) -> list[MetricsRow]:
    """Return the rows of a metrics file, none if there is no file; a torn last line is left out.

    Raises:
        ContractError: a whole line is not a metrics row.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [
        MetricsRow.parse(line, subject=f"{path} line {number}") for number, line in enumerate(lines, start=1)
    ]


@contextmanager
def append_metrics(path: Path, *, after_step: int) -> Iterator[TextIO]:
    """Open a metrics file for more rows, without those after a step: they are about to be made again."""
    kept = [row for row in read_metrics(path) if row.step <= after_step]
    write_atomically(path, b"".join(row.to_json() for row in kept))
    with path.open("a", encoding="utf-8") as file:
        yield file
        sync_rows(file)


def write_row(file: TextIO, row: MetricsRow) -> None:
    """Append one row; it survives a kill of this process."""
    file.write(row.to_json().decode())
    file.flush()


def sync_rows(file: TextIO) -> None:
    """Flush the rows to the disk: no checkpoint may outlive the rows before it."""
    os.fsync(file.fileno())


def progress_line(row: MetricsRow, *, num_train_steps: int) -> str:
    """Return a row as a line for people: `step 120/600 20% loss 1.234 lr 2.1e-03 8,100 tok/s, …`."""
    validation = "" if row.validation_loss is None else f" validation {row.validation_loss:.4f}"
    score = "" if row.task_score is None else f" score {row.task_score:.3f}"
    left_s = (num_train_steps - row.step) * row.step_time_s
    return (
        f"step {row.step}/{num_train_steps} {100 * row.step // num_train_steps}%"
        f" loss {row.loss:.4f}{validation}{score} lr {row.learning_rate:.1e}"
        f" {row.tokens_per_second:,.0f} tok/s, {_remaining(left_s) if left_s else 'done'}"
    )


def _remaining(seconds: float) -> str:
    if seconds < 2 * _SECONDS_PER_MINUTE:
        return f"about {math.ceil(seconds)} s left"
    return f"about {seconds / _SECONDS_PER_MINUTE:.0f} min left"
