import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.artifact import SlotPointer
from tunix_ml.contracts.base import ContractError
from tunix_ml.durable import LeaseHeld, lease, write_atomically
from tunix_ml.store import (
    CorruptArtifact,
    NotPublished,
    Slot,
    Snapshot,
    Store,
    VersionConflict,
)

OLD = (1_000_000_000.0, 1_000_000_000.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def slot(store: Store) -> Slot:
    return store.slot("dataset", "golden-v2")


def publish(
    slot: Slot, text: str, *, meanwhile: Callable[[Path], object] = lambda draft: None, **kwargs: Any
) -> Snapshot:
    with slot.publish(**kwargs) as draft:
        (draft.path / "one.txt").write_text(text)
        (draft.path / "deep" / "er").mkdir(parents=True)
        (draft.path / "deep" / "er" / "two.txt").write_text(text * 2)
        meanwhile(draft.path)
    return draft.snapshot


def flip(path: Path, *, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def directories(slot: Slot, pattern: str) -> list[str]:
    return sorted(path.name for path in slot.path.glob(pattern))


def make_old(*slots: Slot) -> None:
    for slot in slots:
        for path in slot.path.iterdir():
            os.utime(path, OLD)


# Publishing and reading


def test_nothing_is_published_at_first(slot: Slot) -> None:
    assert slot.pointer() is None
    with pytest.raises(NotPublished, match="dataset of 'golden-v2' has not been materialized yet"):
        slot.resolve()


def test_what_is_published_can_be_read_with_its_record(slot: Slot) -> None:
    published = publish(slot, "new", parents={"source": "0" * 64}, code_version="c0de")

    found = slot.resolve()

    assert found == published
    assert found.verify() == []
    assert found.file("deep/er/two.txt").read_text() == "newnew"
    assert (found.record.table, found.record.key) == ("dataset", "golden-v2")
    assert (found.record.parents, found.record.code_version) == ({"source": "0" * 64}, "c0de")
    assert found.record.files["one.txt"].num_bytes == 3


def test_rows_of_parquet_files_are_counted(slot: Slot) -> None:
    with slot.publish() as draft:
        pq.write_table(pa.table({"a": [1, 2, 3]}), draft.path / "traces.parquet")

    assert draft.snapshot.record.files["traces.parquet"].num_rows == 3


def test_a_later_content_becomes_current_and_the_earlier_can_be_asked_for(slot: Slot) -> None:
    old, new = publish(slot, "old"), publish(slot, "new")

    assert slot.resolve() == new
    assert slot.resolve(old.digest) == old
    assert old.verify() == []


def test_the_digest_is_that_of_names_and_bytes(store: Store) -> None:
    digests = [publish(store.slot(table, "all"), text).digest for table, text in ["ax", "bx", "cy"]]

    assert digests[0] == digests[1] != digests[2]


def test_the_caller_may_give_the_digest_at_once_or_on_the_draft(store: Store) -> None:
    first = publish(store.slot("a", "all"), "text", content_digest="a" * 64)
    with store.slot("b", "all").publish() as draft:
        (draft.path / "one.txt").write_text("text")
        draft.content_digest = "b" * 64
        draft.parents["dataset"] = "c" * 64

    assert (first.digest, draft.snapshot.digest) == ("a" * 64, "b" * 64)
    assert store.slot("b", "all").resolve().record.parents == {"dataset": "c" * 64}


@pytest.mark.parametrize("digest", ["a" * 16, "A" * 64, "../" * 21 + "a", "a" * 64 + "\n"])
def test_a_digest_that_is_no_sha256_is_refused(slot: Slot, digest: str) -> None:
    with pytest.raises(ContractError, match="is not a sha256 in hexadecimal"):
        publish(slot, "text", content_digest=digest)
    assert slot.pointer() is None


def test_the_same_content_again_moves_nothing(slot: Slot) -> None:
    first, pointer = publish(slot, "same"), slot.pointer()

    second = publish(slot, "same", parents={"other": "1" * 64}, code_version="other")

    assert (second, slot.pointer()) == (first, pointer)
    assert directories(slot, ".*") == [".lease"]


def test_an_earlier_content_again_is_adopted_and_becomes_current(slot: Slot) -> None:
    first = publish(slot, "first")
    publish(slot, "second")

    assert publish(slot, "first") == first == slot.resolve()
    assert slot.pointer() == SlotPointer(
        content_digest=first.digest, record_sha256=slot.pointer().record_sha256, generation=3
    )


def test_a_draft_has_no_snapshot_inside_its_block(slot: Slot) -> None:
    with slot.publish() as draft:
        (draft.path / "one.txt").write_text("text")
        with pytest.raises(NotPublished, match="has not been published yet"):
            _ = draft.snapshot


def test_a_content_that_was_never_published_cannot_be_asked_for(slot: Slot) -> None:
    publish(slot, "text")

    with pytest.raises(NotPublished, match="has no content 0000"):
        slot.resolve("0" * 64)


def test_a_prefix_of_a_digest_is_no_digest(slot: Slot) -> None:
    snapshot = publish(slot, "text")

    with pytest.raises(CorruptArtifact, match="is not the record of content"):
        slot.resolve(snapshot.digest[:16])


def test_a_file_that_was_never_published_cannot_be_asked_for(slot: Slot) -> None:
    with pytest.raises(
        NotPublished, match=r"has no file 'three.txt', it has \['deep/er/two.txt', 'one.txt'\]"
    ):
        publish(slot, "text").file("three.txt")


# What cannot be published


def test_an_empty_draft_is_refused(slot: Slot) -> None:
    with pytest.raises(ContractError, match=r"dataset holds \[\], expected a file"), slot.publish() as draft:
        (draft.path / "empty").mkdir()
    assert slot.pointer() is None


def test_a_file_with_the_name_of_the_record_is_refused(slot: Slot) -> None:
    with pytest.raises(ContractError, match=r"not named artifact\.json"), slot.publish() as draft:
        (draft.path / "artifact.json").write_text("mine")
    assert slot.pointer() is None


def test_a_file_with_the_name_of_the_record_may_lie_deeper(slot: Slot) -> None:
    with slot.publish() as draft:
        (draft.path / "deep").mkdir()
        (draft.path / "deep" / "artifact.json").write_text("mine")

    assert slot.resolve().file("deep/artifact.json").read_text() == "mine"


@pytest.mark.parametrize("target", ["one.txt", "missing", "/etc/hostname", "."])
def test_links_are_refused(slot: Slot, target: str) -> None:
    with pytest.raises(ContractError, match="link is a link or a device"):
        publish(slot, "text", meanwhile=lambda draft: (draft / "link").symlink_to(target))
    assert slot.pointer() is None
    assert directories(slot, ".tmp-*") == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a..b", ".hidden", "-v1", "x" * 129, "a\n", "é"])
def test_names_that_could_leave_the_store_are_refused(store: Store, name: str) -> None:
    for refused in (
        lambda: store.slot(name, "all"),
        lambda: store.slot("dataset", name),
        lambda: store.run(name),
    ):
        with pytest.raises(ContractError, match="cannot name an artifact"):
            refused()


@pytest.mark.parametrize("name", ["", "/", "../up", "predictions/", "predictions//x", "a/../b"])
def test_slots_of_a_run_cannot_leave_it(store: Store, name: str) -> None:
    with pytest.raises(ContractError, match="cannot name an artifact"):
        store.run("golden-v2.tiny.0123456789").slot(name)


# A version never changes content


def test_an_immutable_version_refuses_other_content_and_names_both(slot: Slot) -> None:
    first = publish(slot, "first", immutable=True)

    with pytest.raises(VersionConflict) as refusal:
        publish(slot, "second", immutable=True)

    digests = re.findall("[0-9a-f]{64}", str(refusal.value))
    assert digests[0] == first.digest
    assert len(set(digests)) == 2
    assert slot.resolve() == first
    assert directories(slot, ".tmp-*") == []


def test_an_immutable_version_takes_the_same_content_again(slot: Slot) -> None:
    assert publish(slot, "same", immutable=True) == publish(slot, "same", immutable=True)


# The order in which things reach the disk


def test_content_reaches_the_disk_before_its_name_and_its_name_before_the_pointer(
    monkeypatch: pytest.MonkeyPatch, slot: Slot
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
    monkeypatch: pytest.MonkeyPatch, slot: Slot
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


def test_the_directories_of_a_new_store_reach_the_disk(monkeypatch: pytest.MonkeyPatch, slot: Slot) -> None:
    synced: set[Path] = set()
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.add(Path(f"/proc/self/fd/{fd}").readlink()), fsync(fd))
    )

    publish(slot, "text")

    assert {slot.path, *list(slot.path.parents)[:4]} <= synced


# Runs


def test_a_run_has_slots_of_its_own(store: Store) -> None:
    run = store.run("golden-v2.tiny.0123456789")
    snapshot = publish(run.slot("predictions/golden-v2.test"), "text")

    assert snapshot.path.parent == store.home / "runs" / run.run_id / "predictions" / "golden-v2.test"
    assert (snapshot.record.table, snapshot.record.key) == ("predictions/golden-v2.test", run.run_id)
    assert [slot.path for slot in store.slots()] == [snapshot.path.parent]
    assert store.slots()[0] == run.slot("predictions/golden-v2.test")


def test_slots_of_a_group_are_those_in_which_something_is_published(store: Store) -> None:
    run = store.run("golden-v2.tiny.0123456789")
    for name in ("eval/b", "eval/a", "predictions/a"):
        publish(run.slot(name), "text")
    with pytest.raises(ContractError), run.slot("eval/c").publish():
        pass

    assert run.slots("eval") == [run.slot("eval/a"), run.slot("eval/b")]
    assert run.slots("none") == []


def test_runs_are_those_with_an_identity(store: Store) -> None:
    for run_id in ("b-v1.tiny.0", "a-v1.tiny.0", "c-v1.tiny.0"):
        with store.run(run_id).lease():
            pass
    for run_id in ("b-v1.tiny.0", "a-v1.tiny.0"):
        write_atomically(store.run(run_id).path / "config.json", b"{}")

    assert store.run_ids() == ["a-v1.tiny.0", "b-v1.tiny.0"]


def test_a_run_belongs_to_one_process_at_a_time(store: Store) -> None:
    run = store.run("golden-v2.tiny.0123456789")

    with run.lease(), pytest.raises(LeaseHeld, match=run.run_id), run.lease():
        pass


@pytest.mark.parametrize(("value", "expected"), [("lake-house", "lake-house"), ("", ".tunix")])
def test_the_home_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNIX_HOME", value)

    assert Store.from_environment().home == tmp_path.resolve() / expected


# Collecting what nothing refers to


def test_gc_keeps_what_pointers_name_and_removes_the_rest(store: Store, slot: Slot) -> None:
    old, new = publish(slot, "old"), publish(slot, "new")

    assert store.gc(grace_s=0) == [old.path]
    assert slot.resolve() == new
    assert new.verify() == []
    with pytest.raises(NotPublished, match=f"has no content {old.digest}, or no longer"):
        slot.resolve(old.digest)


def test_gc_keeps_what_is_younger_than_the_grace(store: Store, slot: Slot) -> None:
    old = publish(slot, "old")
    publish(slot, "new")

    assert store.gc(grace_s=3600) == []
    make_old(slot)
    assert store.gc(grace_s=3600) == [old.path]


def test_the_grace_starts_when_a_content_is_replaced(store: Store, slot: Slot) -> None:
    old = publish(slot, "old")
    make_old(slot)
    publish(slot, "new")

    assert store.gc(grace_s=3600) == []
    assert slot.resolve(old.digest).verify() == []


def test_gc_keeps_parents_and_their_parents(store: Store) -> None:
    dataset, export, tokens = (store.slot(table, "golden-v2") for table in ("dataset", "export", "tokens"))
    first = publish(dataset, "first")
    second = publish(export, "second", parents={"dataset": first.digest})
    publish(tokens, "third", parents={"export": second.digest})
    unused = [publish(slot, "between") for slot in (dataset, export)]
    for slot in (dataset, export):
        publish(slot, "newest")

    assert sorted(store.gc(grace_s=0)) == sorted(snapshot.path for snapshot in unused)
    assert dataset.resolve(first.digest).verify() == export.resolve(second.digest).verify() == []


def test_gc_keeps_what_the_configuration_of_a_run_names(store: Store, slot: Slot) -> None:
    old = publish(slot, "old", parents={"source": "0" * 64})
    publish(slot, "new")
    run = store.run("golden-v2.tiny.0123456789")
    with run.lease():
        write_atomically(run.path / "config.json", json.dumps({"dataset_digest": old.digest}).encode())

    assert store.gc(grace_s=0) == []
    (run.path / "config.json").unlink()
    assert store.gc(grace_s=0) == [old.path]


def test_gc_removes_what_killed_writers_left(store: Store, slot: Slot) -> None:
    damaged = publish(slot, "text")
    (damaged.path / "artifact.json").unlink()
    publish(slot, "text")
    (slot.path / "audits" / "0").mkdir(parents=True)
    run = store.run("golden-v2.tiny.0123456789")
    with run.lease():
        pass
    for leftover in (slot.path / ".tmp-1", slot.path / "audits" / "0" / ".tmp-2", run.path / ".tmp-3"):
        leftover.write_text("half")
    half_deleted = slot.path / ("0123456789abcdef")
    half_deleted.mkdir()

    assert len(store.gc(grace_s=0)) == 5
    assert store.gc(grace_s=0) == []
    assert directories(slot, ".*") == [".lease"]
    assert not half_deleted.exists()
    assert store.verify() == []


def test_a_damaged_directory_set_aside_is_kept_for_the_grace(store: Store, slot: Slot) -> None:
    damaged = publish(slot, "text")
    (damaged.path / "one.txt").write_text("damaged")
    make_old(slot)
    publish(slot, "text")

    assert store.gc(grace_s=3600) == []
    assert len(directories(slot, ".corrupt-*")) == 1


def test_gc_leaves_a_slot_and_a_run_alone_in_which_somebody_writes(store: Store, slot: Slot) -> None:
    publish(slot, "old")
    publish(slot, "new")
    run = store.run("golden-v2.tiny.0123456789")
    with run.lease(), lease(slot.path / ".lease", timeout_s=0.0):
        (run.path / ".tmp-config").write_text("being written")

        assert store.gc(grace_s=0) == []
    assert len(store.gc(grace_s=0)) == 2


def test_gc_leaves_other_files_of_a_run_alone(store: Store) -> None:
    run = store.run("golden-v2.tiny.0123456789")
    (run.path / "checkpoints" / "300").mkdir(parents=True)
    (run.path / "checkpoints" / "300" / "params").write_text("numbers")
    (run.path / "metrics.jsonl").write_text("{}\n")
    publish(run.slot("predictions/golden-v2.test"), "text")

    assert store.gc(grace_s=0) == []
    assert (run.path / "checkpoints" / "300" / "params").read_text() == "numbers"


def test_gc_deletes_nothing_while_a_damage_hides_what_is_referred_to(store: Store, slot: Slot) -> None:
    old = publish(slot, "old")
    publish(slot, "new")
    other = publish(store.slot("export", "golden-v2"), "text", parents={"dataset": old.digest})
    flip(other.path / "artifact.json", byte=3)

    with pytest.raises(CorruptArtifact, match="materialize export of 'golden-v2' again"):
        store.gc(grace_s=0)
    assert slot.resolve(old.digest).verify() == []


def test_what_becomes_current_while_gc_waits_is_kept(
    monkeypatch: pytest.MonkeyPatch, store: Store, slot: Slot
) -> None:
    old = publish(slot, "old")
    publish(slot, "new")
    find = Store._referenced_digests

    def find_and_be_overtaken(store: Store) -> set[str]:
        held = find(store)
        publish(slot, "old")
        make_old(slot)
        return held

    monkeypatch.setattr(Store, "_referenced_digests", find_and_be_overtaken)

    assert store.gc(grace_s=3600) == []
    assert slot.resolve() == old


def test_a_child_published_while_gc_looks_keeps_its_parent(
    monkeypatch: pytest.MonkeyPatch, store: Store, slot: Slot
) -> None:
    parent, find = publish(slot, "old"), Store._referenced_digests

    def find_and_be_overtaken(store: Store) -> set[str]:
        held = find(store)
        publish(slot, "new")
        publish(store.slot("export", "golden-v2"), "text", parents={"dataset": parent.digest})
        return held - {parent.digest}

    monkeypatch.setattr(Store, "_referenced_digests", find_and_be_overtaken)

    assert parent.path not in store.gc(grace_s=0)
    assert slot.resolve(parent.digest).verify() == []


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


def test_a_trial_of_the_collection_names_the_same_and_deletes_nothing(store: Store) -> None:
    slot = store.slot("notes", "a-v1")
    for text in ("one", "two"):
        with slot.publish() as draft:
            (draft.path / "note.txt").write_text(text)

    named = store.gc(grace_s=-1, is_trial=True)

    assert all(path.is_dir() for path in named)
    assert store.gc(grace_s=-1) == named
    assert not any(path.exists() for path in named)


def test_a_slot_is_owned_by_one_process_over_several_publications(store: Store) -> None:
    slot = store.slot("trials", "mine-v1.swept.0123456789")

    with slot.ownership():
        for text in ("one", "two"):
            with slot.publish() as draft:
                (draft.path / "trials.txt").write_text(text)
        with pytest.raises(LeaseHeld, match="is being written by"), slot.ownership():
            pass

    assert slot.resolve().file("trials.txt").read_text() == "two"
