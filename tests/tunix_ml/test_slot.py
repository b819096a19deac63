import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.artifact import SlotPointer
from tunix_ml.durable import LeaseHeld
from tunix_ml.slot import Slot, VersionConflict
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]


def directories(slot: Slot, pattern: str) -> list[str]:
    return sorted(path.name for path in slot.path.glob(pattern))


def test_nothing_is_published_at_first(slot: Slot) -> None:
    assert slot.pointer() is None
    with pytest.raises(NotPublished, match="dataset of 'golden-v2' has not been materialized yet"):
        slot.resolve()


def test_what_is_published_can_be_read_with_its_record(slot: Slot, publish: Publish) -> None:
    published = publish(slot, "new", parents={"source": "0" * 64}, code_version="c0de")

    found = slot.resolve()

    assert found == published
    assert found.verify() == []
    assert found.file("deep/er/two.txt").read_text() == "newnew"
    assert (found.record.table, found.record.key) == ("dataset", "golden-v2")
    assert (found.record.parents, found.record.code_version) == ({"source": "0" * 64}, "c0de")
    assert found.record.files["one.txt"].num_bytes == 3


def test_a_later_content_becomes_current_and_the_earlier_can_be_asked_for(
    slot: Slot, publish: Publish
) -> None:
    old, new = publish(slot, "old"), publish(slot, "new")

    assert slot.resolve() == new
    assert slot.resolve(old.digest) == old
    assert old.verify() == []


def test_the_same_content_again_moves_nothing(slot: Slot, publish: Publish) -> None:
    first, pointer = publish(slot, "same"), slot.pointer()

    second = publish(slot, "same", parents={"other": "1" * 64}, code_version="other")

    assert (second, slot.pointer()) == (first, pointer)
    assert directories(slot, ".*") == [".lease"]


def test_an_earlier_content_again_is_adopted_and_becomes_current(slot: Slot, publish: Publish) -> None:
    first = publish(slot, "first")
    publish(slot, "second")

    assert publish(slot, "first") == first == slot.resolve()
    assert slot.pointer() == SlotPointer(
        content_digest=first.digest, record_sha256=slot.pointer().record_sha256, generation=3
    )


def test_a_content_that_was_never_published_cannot_be_asked_for(slot: Slot, publish: Publish) -> None:
    publish(slot, "text")

    with pytest.raises(NotPublished, match="has no content 0000"):
        slot.resolve("0" * 64)


def test_a_prefix_of_a_digest_is_no_digest(slot: Slot, publish: Publish) -> None:
    snapshot = publish(slot, "text")

    with pytest.raises(CorruptArtifact, match="is not the record of content"):
        slot.resolve(snapshot.digest[:16])


# A version never changes content


def test_an_immutable_version_refuses_other_content_and_names_both(slot: Slot, publish: Publish) -> None:
    first = publish(slot, "first", immutable=True)

    with pytest.raises(VersionConflict) as refusal:
        publish(slot, "second", immutable=True)

    digests = re.findall("[0-9a-f]{64}", str(refusal.value))
    assert digests[0] == first.digest
    assert len(set(digests)) == 2
    assert slot.resolve() == first
    assert directories(slot, ".tmp-*") == []


def test_an_immutable_version_takes_the_same_content_again(slot: Slot, publish: Publish) -> None:
    assert publish(slot, "same", immutable=True) == publish(slot, "same", immutable=True)


# The order in which things reach the disk


def test_content_reaches_the_disk_before_its_name_and_its_name_before_the_pointer(
    monkeypatch: pytest.MonkeyPatch, slot: Slot, publish: Publish
) -> None:
    events: list[str] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def name(path: Any) -> str:
        return re.sub(r"\.tmp-[0-9a-f]+|[0-9a-f]{16}", "*", Path(path).relative_to(slot.path).as_posix())

    def traced_fsync(descriptor: int) -> None:
        events.append(f"sync {name(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        fsync(descriptor)

    publish(slot, "old")
    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(os, "rename", lambda a, b: (events.append("rename content"), rename(a, b)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("move pointer"), replace(a, b)))
    publish(slot, "new")

    content = ["*/artifact.json", "*/deep", "*/deep/er", "*/deep/er/two.txt", "*/one.txt", "*"]
    assert events == [
        *(f"sync {path}" for path in content),
        "rename content",
        "sync .",
        "sync *",
        "move pointer",
        "sync .",
    ]


def test_adopted_content_reaches_the_disk_before_the_pointer(
    monkeypatch: pytest.MonkeyPatch, slot: Slot, publish: Publish
) -> None:
    publish(slot, "old")
    publish(slot, "new")
    synced: list[Path] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink()), fsync(fd))
    )

    publish(slot, "old")

    temporary = next(index for index, path in enumerate(synced) if path.parent == slot.path and index > 5)
    assert slot.path in synced[:temporary]


def test_the_directories_of_a_new_store_reach_the_disk(
    monkeypatch: pytest.MonkeyPatch, slot: Slot, publish: Publish
) -> None:
    synced: set[Path] = set()
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.add(Path(f"/proc/self/fd/{fd}").readlink()), fsync(fd))
    )

    publish(slot, "text")

    assert {slot.path, *list(slot.path.parents)[:4]} <= synced


# Damage, withdrawal, ownership


def test_a_slot_tells_its_own_damage(store: Store) -> None:
    slot = store.slot("notes", "a-v1")
    assert slot.verify() == []
    with slot.publish() as draft:
        (draft.path / "note.txt").write_text("one")
    assert slot.verify() == []

    (draft.snapshot.path / "note.txt").write_text("two")

    (problem,) = slot.verify()
    assert "note.txt has sha256" in problem


def test_a_withdrawn_slot_has_nothing_and_is_collected_after_its_grace(store: Store) -> None:
    slot = store.slot("notes", "a-v1")
    with slot.publish() as draft:
        (draft.path / "note.txt").write_text("one")

    slot.withdraw()

    assert slot.pointer() is None
    assert store.gc(grace_s=3_600) == []
    assert store.gc(grace_s=-1) == [draft.snapshot.path]
    with pytest.raises(NotPublished):
        slot.withdraw()


def test_a_slot_is_owned_by_one_process_over_several_publications(store: Store) -> None:
    slot = store.slot("trials", "mine-v1.swept.0123456789")

    with slot.ownership():
        for text in ("one", "two"):
            with slot.publish() as draft:
                (draft.path / "trials.txt").write_text(text)
        with pytest.raises(LeaseHeld, match="is being written by"), slot.ownership():
            pass

    assert slot.resolve().file("trials.txt").read_text() == "two"
