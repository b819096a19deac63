import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunix_ml import durable
from tunix_ml.store import Store
from tunix_ml.upkeep import HeldLease, discard_drafts, held_leases, is_alive, unfinished_drafts

LATER = """
import sys, time
from tunix_ml.durable import lease
from pathlib import Path
with lease(Path(sys.argv[1]), timeout_s=0.0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(store: Store) -> Path:
    """The folder of a slot that has been published to."""
    with store.slot("notes", "a-v1").publish() as draft:
        (draft.path / "note.txt").write_text("one")
    return store.slot("notes", "a-v1").path


@pytest.fixture
def writer(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that holds the slot's lease."""
    command = [sys.executable, "-c", LATER, str(folder / ".lease")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_lease_that_nobody_holds_is_not_named(store: Store, folder: Path) -> None:
    assert (folder / ".lease").is_file()
    assert held_leases(store) == []


def test_a_held_lease_names_its_living_owner(store: Store, writer: "subprocess.Popen[bytes]") -> None:
    (held,) = held_leases(store)

    assert (held.pid, held.host, held.is_orphaned) == (writer.pid, socket.gethostname(), False)
    assert held.sentence().endswith(f"is held by process {writer.pid} on {socket.gethostname()}")


def test_a_lease_whose_owner_is_gone_is_orphaned(
    store: Store, folder: Path, writer: "subprocess.Popen[bytes]"
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    owner = {"pid": gone.pid, "host": socket.gethostname()}
    (folder / ".lease").write_text(json.dumps(owner))  # as if a child held it on

    (held,) = held_leases(store)

    assert held.is_orphaned
    assert held.sentence().endswith("which is gone")


def test_the_owner_on_another_machine_is_not_judged(tmp_path: Path) -> None:
    assert not HeldLease(tmp_path, 1 << 22, "elsewhere").is_orphaned


def test_a_lease_with_an_unreadable_name_is_held_by_somebody(
    store: Store, folder: Path, writer: "subprocess.Popen[bytes]"
) -> None:
    (folder / ".lease").write_text("not json")

    (held,) = held_leases(store)

    assert (held.pid, held.is_orphaned) == (None, False)
    assert held.sentence().endswith("an unnamed process")


def draft_in(folder: Path, *, age_s: float) -> Path:
    path = folder / f"{durable.TEMPORARY_PREFIX}left"
    path.mkdir()
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_an_old_draft_is_found_and_discarded_and_a_young_one_is_not(store: Store, folder: Path) -> None:
    old = draft_in(folder, age_s=600)

    assert unfinished_drafts(store, older_than_s=900) == []
    assert unfinished_drafts(store, older_than_s=60) == [old]
    assert old.exists()
    assert discard_drafts(store, older_than_s=60) == [old]
    assert not old.exists()
    assert store.verify() == []


def test_a_draft_is_left_alone_while_somebody_writes(
    store: Store, folder: Path, writer: "subprocess.Popen[bytes]"
) -> None:
    draft_in(folder, age_s=600)

    assert unfinished_drafts(store, older_than_s=60) == []
    assert discard_drafts(store, older_than_s=60) == []


def test_a_process_is_alive_until_it_ends_also_unreaped() -> None:
    process = subprocess.Popen(["sleep", "60"])
    assert is_alive(process.pid)

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert not is_alive(process.pid)
    process.wait()
    assert not is_alive(process.pid)


def test_a_process_that_began_later_only_has_the_number() -> None:
    assert is_alive(os.getpid(), since=time.time())
    assert not is_alive(os.getpid(), since=time.time() - 10_000_000)
