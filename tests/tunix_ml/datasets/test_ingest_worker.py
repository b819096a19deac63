import io
import subprocess
import sys

import msgspec
import pytest

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.datasets.columns import Frame
from tunix_ml.datasets.ingest_worker import Job, Task, frame_of, receive, send
from tunix_ml.traces.chunks import Chunk, LongChunk
from tunix_ml.traces.lines import LongLine

SOURCE = JsonlSource(kind="jsonl", path="a.jsonl")
SHARES = {"train": 1.0}
GOOD = b'{"trace_version":"1","prompt":"Q","final_answer":"A","steps":[{"i":0,"type":"t","content":"c"}]}\n'


def test_a_worker_answers_each_chunk_with_the_frame_that_is_made_here() -> None:
    chunks = [Chunk("a", 4, 100, GOOD + b"{bad\n"), LongChunk("a", LongLine(6, 200, b"x", 1 << 21, "f" * 64))]
    stream = io.BytesIO()
    send(stream, Job(SOURCE.to_json(), SHARES))
    send(stream, Task(chunks[0]))
    send(stream, Task(None, chunks[1]))

    command = [sys.executable, "-m", "tunix_ml.datasets.ingest_worker"]
    done = subprocess.run(command, input=stream.getvalue(), capture_output=True, check=True)

    answers = io.BytesIO(done.stdout)
    frames = [msgspec.msgpack.decode(receive(answers) or b"", type=Frame) for _ in chunks]
    assert frames == [frame_of(chunk, SOURCE, SHARES) for chunk in chunks]
    assert [frame.num_rows for frame in frames] == [1, 0]
    assert [reject.line for frame in frames for reject in frame.rejects] == [5, 6]
    assert receive(answers) is None


@pytest.mark.parametrize("kept", [0, 3, 8, 10])
def test_a_message_that_is_cut_off_is_none(kept: int) -> None:
    stream = io.BytesIO()
    send(stream, ["a", "b"])

    assert receive(io.BytesIO(stream.getvalue()[:kept])) is None
