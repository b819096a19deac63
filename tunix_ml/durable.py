"""Durable file operations: the lease, the atomic replacement, the flush to the disk."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from tunix_ml.contracts.base import ContractError, TunixError

TEMPORARY_PREFIX = ".tmp-"


class LeaseHeld(TunixError):
    """Another process holds the lease."""

    may_pass = True


@contextlib.contextmanager
def lease(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Hold an exclusive lock on a file, with the owner's name inside; the system frees it on any death.

    Raises:
        LeaseHeld: another holder kept it for longer than `timeout_s`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + timeout_s
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                owner = os.pread(descriptor, 1_000, 0).decode(errors="replace")
                raise LeaseHeld(f"{path.parent} is being written by {owner or 'an unnamed process'}")
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing frees it only if no child shares the descriptor
    finally:
        os.close(descriptor)


def is_leased(path: Path) -> bool:
    """Say whether a process of this machine holds a lease, without standing in the way of one that wants it.

    The name inside says who took it last. Of another machine it is believed.
    """
    try:
        owner = json.loads(path.read_bytes())
        pid, host = int(owner["pid"]), owner["host"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return host != socket.gethostname() or _holds(pid, path)


def _holds(pid: int, path: Path) -> bool:
    try:
        inode, locks = path.stat().st_ino, Path("/proc/locks").read_text(encoding="ascii")
    except OSError:  # a system without that list
        return _is_alive(pid)
    return any(" FLOCK " in line and f":{inode} " in line for line in locks.splitlines())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content as a whole, durably: a reader sees the old bytes or the new ones."""
    _replace(path, lambda temporary: temporary.write_bytes(data))


def copy_atomically(source: Path, path: Path) -> None:
    """Replace a file's content by another file's, as a whole and durably."""
    _replace(path, lambda temporary: shutil.copyfile(source, temporary))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        write(temporary)
        sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - named in the fault tests
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise
    sync(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory and its parents, durably; nothing happens where it exists."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sweep(
    directory: Path, patterns: Iterable[str], *, kept: Collection[str], written_before: float
) -> list[Path]:
    """Delete the entries that match a pattern, bear no kept name and are older than a time, and name them."""
    doomed = outdated(directory, patterns, kept=kept, written_before=written_before)
    for path in doomed:
        _discard(path)
    return doomed


def outdated(
    directory: Path, patterns: Iterable[str], *, kept: Collection[str], written_before: float
) -> list[Path]:
    """Return the entries that `sweep` would delete."""
    found = {path for pattern in patterns for path in directory.glob(pattern) if path.name not in kept}
    return [path for path in sorted(found) if _is_older(path, written_before)]


def touch(path: Path) -> None:
    """Make a file or directory as young as now; one that is missing stays so."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)


def plain_files(path: Path) -> list[Path]:
    """Return every file below a directory, sorted.

    Raises:
        ContractError: something else than files and directories is there, like a link or a device.
    """
    entries = sorted(path.rglob("*"))
    for entry in entries:
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise ContractError(f"{entry} is a link or a device, only plain files can be published")
    return [entry for entry in entries if entry.is_file()]


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


def _is_older(path: Path, than: float) -> bool:
    try:
        return path.lstat().st_mtime < than
    except FileNotFoundError:  # its writer gave it another name meanwhile
        return False


def _discard(path: Path) -> None:
    """Delete a file, or a directory: it leaves its name at once, so that nobody finds half of it there."""
    if path.is_dir() and not path.is_symlink():
        doomed = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
