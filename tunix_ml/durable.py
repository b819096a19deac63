"""Durable file operations: the lease, the atomic replacement, the flush to the disk."""

import contextlib
import fcntl
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


class LeaseHeld(Exception):
    """Another process holds the lease."""


@contextlib.contextmanager
def lease(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock on a file, with the owner's name inside; the system frees it on any death.

    Raises:
        LeaseHeld: another holder kept it for longer than `timeout_s`.
    """
    with path.open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + timeout_s
        while not _try_lock(file.fileno()):
            if time.monotonic() >= deadline:
                file.seek(0)
                raise LeaseHeld(f"{path.parent} is being written by {file.read() or 'an unnamed process'}")
            time.sleep(0.05)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        yield


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content as a whole, durably: a reader sees the old bytes or the new ones."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - named in the fault tests
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync_tree(path: Path) -> None:
    """Flush every file and directory below a directory, and itself, to the disk."""
    for entry in sorted(path.rglob("*")):
        sync(entry)
    sync(path)


def sync(path: Path) -> None:
    """Flush one file or directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
