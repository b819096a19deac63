import os
import time
from pathlib import Path

import pytest

from tunix_assets.doctor import storage
from tunix_assets.doctor.storage import examine_drafts, examine_leases, examine_permissions
from tunix_ml.store import Store
from tunix_ml.upkeep import HeldLease


@pytest.fixture
def used(store: Store) -> Store:
    """A store that something was published in."""
    with store.slot("notes", "a-v1").publish() as draft:
        (draft.path / "note.txt").write_text("one")
    return store


def test_folders_that_everybody_can_write_are_wrong_and_three_are_named(used: Store) -> None:
    assert examine_permissions(used.home).health == "well"
    for folder, _, _ in os.walk(used.home):
        Path(folder).chmod(0o777)

    finding = examine_permissions(used.home)

    assert finding.health == "wrong"
    assert f"{used.home} can be written by everybody: chmod o-w" in finding.sentence
    assert finding.sentence.endswith("and 2 more")


def test_a_folder_that_we_cannot_write_is_wrong(used: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, mode: not str(path).endswith("lake")
    )  # root may everything

    assert "cannot be written by us" in examine_permissions(used.home).sentence


def test_no_store_is_nothing_to_judge(tmp_path: Path) -> None:
    assert examine_permissions(tmp_path / "none").health == "unknown"


def test_a_lease_of_an_owner_who_is_gone_is_wrong(used: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine_leases(used).sentence == "nobody is writing"
    import socket

    gone = HeldLease(used.home / "lake" / ".lease", 1 << 22, socket.gethostname())
    monkeypatch.setattr(storage, "held_leases", lambda store: [gone])

    finding = examine_leases(used)

    assert finding.health == "wrong"
    assert finding.sentence.endswith("which is gone: end the process that it left behind")


def test_drafts_are_found_and_deleted_when_asked_to(used: Store) -> None:
    assert examine_drafts(used, fix=True).health == "well"
    left = used.slot("notes", "a-v1").path / ".tmp-left"
    left.mkdir()
    os.utime(left, (time.time() - 600,) * 2)

    found = examine_drafts(used, fix=False)
    mended = examine_drafts(used, fix=True)

    assert (found.health, mended.health) == ("wrong", "mended")
    assert found.sentence == f"1 unfinished drafts, like {left}: run it with --fix"
    assert mended.sentence.endswith("deleted 1")
    assert examine_drafts(used, fix=False).health == "well"
