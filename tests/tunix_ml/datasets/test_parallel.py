import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.datasets import parallel
from tunix_ml.datasets.parallel import WorkerDied, frames
from tunix_ml.traces.chunks import Chunk, read_chunks

SOURCE = JsonlSource(kind="jsonl", path="a.jsonl")
SHARES = {"train": 0.5, "test": 0.5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    step = {"i": 0, "type": "t", "content": "c"}
    record = {"trace_version": "1.0", "final_answer": "A", "steps": [step]}
    lines = [json.dumps({**record, "prompt": f"Q{n}"}) if n % 50 else "{bad" for n in range(900)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    return tmp_path / "a.jsonl"


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_give_the_frames_of_this_process_in_the_order_of_the_chunks(
    path: Path, num_workers: int
) -> None:
    chunks = list(read_chunks(path, chunk_bytes=4_000))

    here = list(frames(chunks, SOURCE, shares=SHARES, num_workers=0))
    there = list(frames(iter(chunks), SOURCE, shares=SHARES, num_workers=num_workers))

    assert there == here
    assert [made.chunk for made in there] == chunks


def test_a_worker_that_is_killed_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*args: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(start(*args, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(parallel.subprocess, "Popen", remember)

    def chunks() -> Iterator[Chunk]:
        for number, chunk in enumerate(read_chunks(path, chunk_bytes=2_000)):
            if number == 10:
                os.kill(started[0].pid, signal.SIGKILL)
            yield chunk  # type: ignore[misc]

    with pytest.raises(WorkerDied, match=r"read a\.jsonl ended with status -9 before its work did"):
        list(frames(chunks(), SOURCE, shares=SHARES, num_workers=1))


def test_workers_end_with_the_work(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = frames(read_chunks(path, chunk_bytes=2_000), SOURCE, shares=SHARES, num_workers=2)

    next(made)
    made.close()  # type: ignore[attr-defined]

    assert not list(Path(f"/proc/{os.getpid()}/task").glob("*/children")) or not _children()


def _children() -> list[str]:
    found = [path.read_text().split() for path in Path(f"/proc/{os.getpid()}/task").glob("*/children")]
    return [
        pid for pids in found for pid in pids if b"ingest_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
