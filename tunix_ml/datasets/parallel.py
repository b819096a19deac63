"""Chunks of a JSONL source to frames, here or in worker processes, always in the order of the chunks."""

import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import BinaryIO, NamedTuple, cast

import msgspec

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.recipe import JsonlSource, Redaction
from tunix_ml.contracts.trace import Split
from tunix_ml.datasets.columns import Frame
from tunix_ml.datasets.ingest_worker import Job, Task, frame_of, receive, send
from tunix_ml.traces.chunks import Chunk, LongChunk

AnyChunk = Chunk | LongChunk
_WAITING_PER_WORKER = 4
# A worker takes and frees the same few megabytes for every chunk: it keeps them.
_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=268435456",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OMP_NUM_THREADS": "1",
}
_decode_frame = msgspec.msgpack.Decoder(Frame).decode


class WorkerDied(TunixError):
    """A worker process ended before its work did."""


class Made(NamedTuple):
    """A frame and the chunk it was made from."""

    chunk: AnyChunk
    frame: Frame


def frames(
    chunks: Iterable[AnyChunk],
    source: JsonlSource,
    *,
    shares: Mapping[Split, float],
    num_workers: int,
    redaction: Redaction | None = None,
) -> Iterator[Made]:
    """Yield a frame for each chunk, in their order; with no worker they are made in this process.

    Raises:
        WorkerDied: a worker was killed, or failed with an error of its own.
    """
    if num_workers == 0:
        for chunk in chunks:
            yield Made(chunk, frame_of(chunk, source, dict(shares), redaction=redaction))
        return
    with ExitStack() as stack:
        idle: queue.Queue[_Worker] = queue.Queue()
        job = Job(source.to_json(), dict(shares), redaction.to_json() if redaction else None)
        for _ in range(num_workers):
            worker = _Worker(job)
            stack.callback(worker.close)
            idle.put(worker)
        threads = stack.enter_context(ThreadPoolExecutor(num_workers))
        yield from _in_order(chunks, idle, threads, num_waiting=_WAITING_PER_WORKER * num_workers)


def _in_order(
    chunks: Iterable[AnyChunk], idle: "queue.Queue[_Worker]", threads: ThreadPoolExecutor, *, num_waiting: int
) -> Iterator[Made]:
    def ask(chunk: AnyChunk) -> Made:
        worker = idle.get()
        try:
            return Made(chunk, worker.frame_of(chunk))
        finally:
            idle.put(worker)

    waiting: deque[Future[Made]] = deque()
    try:
        for chunk in chunks:
            waiting.append(threads.submit(ask, chunk))
            if len(waiting) > num_waiting:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class _Worker:
    """One worker process; it ends when its input does, or with this process."""

    def __init__(self, job: Job) -> None:
        command = [sys.executable, "-m", "tunix_ml.datasets.ingest_worker"]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | _ENVIRONMENT
        )
        self._input = cast("BinaryIO", self._process.stdin)
        self._output = cast("BinaryIO", self._process.stdout)
        self._job: Job | None = job

    def frame_of(self, chunk: AnyChunk) -> Frame:
        try:
            if self._job is not None:
                send(self._input, self._job)
                self._job = None
            send(self._input, Task(chunk) if isinstance(chunk, Chunk) else Task(None, chunk))
            data = receive(self._output)
        except BrokenPipeError:
            data = None
        if data is None:
            raise WorkerDied(
                f"a process that read {chunk.source} ended with status {self._process.wait()} before its work"
                " did: start the build again"
            )
        return _decode_frame(data)

    def close(self) -> None:
        for stream in (self._input, self._output):
            with suppress(BrokenPipeError):
                stream.close()
        self._process.wait()
