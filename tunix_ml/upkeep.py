"""Upkeep of a store: leases that outlived their owner, and drafts that their writer left behind."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tunix_ml import durable
from tunix_ml.durable import LeaseHeld, lease
from tunix_ml.slot import LEASE_FILE
from tunix_ml.store import Store

_CLOCK_TOLERANCE_S = 2.0  # Linux tells the time of its start in whole seconds
_DRAFTS = (f"{durable.TEMPORARY_PREFIX}*", f"audits/*/{durable.TEMPORARY_PREFIX}*")


class HeldLease(NamedTuple):
    """A lease that is held now; `pid` is None where the owner's name cannot be read."""

    path: Path
    pid: int | None
    host: str

    @property
    def is_orphaned(self) -> bool:
        """Whether the owner was a process of this machine and is gone: a child of it holds the lease on."""
        return self.pid is not None and self.host == socket.gethostname() and not is_alive(self.pid)

    def sentence(self) -> str:
        """Say who holds it."""
        owner = f"process {self.pid} on {self.host}" if self.pid is not None else "an unnamed process"
        return f"{self.path.parent} is held by {owner}" + (", which is gone" if self.is_orphaned else "")


def held_leases(store: Store) -> list[HeldLease]:
    """Return every lease below the home that some process holds at this moment."""
    return [held for path in _lease_files(store) if (held := _held(path))]


def unfinished_drafts(store: Store, *, older_than_s: float) -> list[Path]:
    """Return what writers left unfinished for longer than a time, where nobody is writing now."""
    written_before = time.time() - older_than_s
    return [
        path
        for folder in _free_folders(store)
        for path in durable.outdated(folder, _DRAFTS, kept=(), written_before=written_before)
    ]


def discard_drafts(store: Store, *, older_than_s: float) -> list[Path]:
    """Delete what `unfinished_drafts` names, under the lease of its folder, and return it."""
    written_before = time.time() - older_than_s
    return [
        path
        for folder in _free_folders(store)
        for path in durable.sweep(folder, _DRAFTS, kept=(), written_before=written_before)
    ]


def is_alive(pid: int, *, since: float | None = None) -> bool:
    """Say whether a process of this machine runs; one that waits to be reaped does not.

    Args:
        pid: its number.
        since: seconds since the epoch; one that began later has only taken over the number.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's, and alive
    state, started = _process_state(pid)
    return state != "Z" and (since is None or started is None or started <= since + _CLOCK_TOLERANCE_S)


def _process_state(pid: int) -> tuple[str, float | None]:
    """Return a process's state and when it began, as Linux tells; elsewhere nothing is known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    except (OSError, StopIteration):
        return "", None
    return fields[0], int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _lease_files(store: Store) -> list[Path]:
    return sorted(
        path
        for folder in ("lake", "runs", "registry")
        for path in store.home.glob(f"{folder}/**/{LEASE_FILE}")
    )


def _free_folders(store: Store) -> Iterator[Path]:
    """Yield each folder with a lease, while the lease is ours."""
    for path in _lease_files(store):
        with contextlib.suppress(LeaseHeld), lease(path, timeout_s=0.0):
            yield path.parent


def _held(path: Path) -> HeldLease | None:
    try:
        owner = path.read_bytes()
        with lease(path, timeout_s=0.0):
            return None
    except LeaseHeld:
        return _named(path, owner)
    except OSError:
        return None


def _named(path: Path, owner: bytes) -> HeldLease:
    try:
        found = json.loads(owner)
        return HeldLease(path, int(found["pid"]), str(found["host"]))
    except (ValueError, KeyError, TypeError):
        return HeldLease(path, None, "")
