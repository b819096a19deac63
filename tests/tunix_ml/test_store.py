import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.durable import LeaseHeld, lease, write_atomically
from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]

OLD = (1_000_000_000.0, 1_000_000_000.0)


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


# Runs


def test_a_run_has_slots_of_its_own(store: Store, publish: Publish) -> None:
    run = store.run("golden-v2.tiny.0123456789")
    snapshot = publish(run.slot("predictions/golden-v2.test"), "text")

    assert snapshot.path.parent == store.home / "runs" / run.run_id / "predictions" / "golden-v2.test"
    assert (snapshot.record.table, snapshot.record.key) == ("predictions/golden-v2.test", run.run_id)
    assert [slot.path for slot in store.slots()] == [snapshot.path.parent]
    assert store.slots()[0] == run.slot("predictions/golden-v2.test")


def test_slots_of_a_group_are_those_in_which_something_is_published(store: Store, publish: Publish) -> None:
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


def test_gc_keeps_what_pointers_name_and_removes_the_rest(store: Store, slot: Slot, publish: Publish) -> None:
    old, new = publish(slot, "old"), publish(slot, "new")

    assert store.gc(grace_s=0) == [old.path]
    assert slot.resolve() == new
    assert new.verify() == []
    with pytest.raises(NotPublished, match=f"has no content {old.digest}, or no longer"):
        slot.resolve(old.digest)


def test_gc_keeps_what_is_younger_than_the_grace(store: Store, slot: Slot, publish: Publish) -> None:
    old = publish(slot, "old")
    publish(slot, "new")

    assert store.gc(grace_s=3600) == []
    make_old(slot)
    assert store.gc(grace_s=3600) == [old.path]


def test_the_grace_starts_when_a_content_is_replaced(store: Store, slot: Slot, publish: Publish) -> None:
    old = publish(slot, "old")
    make_old(slot)
    publish(slot, "new")

    assert store.gc(grace_s=3600) == []
    assert slot.resolve(old.digest).verify() == []


def test_gc_keeps_parents_and_their_parents(store: Store, publish: Publish) -> None:
    dataset, export, tokens = (store.slot(table, "golden-v2") for table in ("dataset", "export", "tokens"))
    first = publish(dataset, "first")
    second = publish(export, "second", parents={"dataset": first.digest})
    publish(tokens, "third", parents={"export": second.digest})
    unused = [publish(slot, "between") for slot in (dataset, export)]
    for slot in (dataset, export):
        publish(slot, "newest")

    assert sorted(store.gc(grace_s=0)) == sorted(snapshot.path for snapshot in unused)
    assert dataset.resolve(first.digest).verify() == export.resolve(second.digest).verify() == []


def test_gc_keeps_what_the_configuration_of_a_run_names(store: Store, slot: Slot, publish: Publish) -> None:
    old = publish(slot, "old", parents={"source": "0" * 64})
    publish(slot, "new")
    run = store.run("golden-v2.tiny.0123456789")
    with run.lease():
        write_atomically(run.path / "config.json", json.dumps({"dataset_digest": old.digest}).encode())

    assert store.gc(grace_s=0) == []
    (run.path / "config.json").unlink()
    assert store.gc(grace_s=0) == [old.path]


def test_gc_removes_what_killed_writers_left(store: Store, slot: Slot, publish: Publish) -> None:
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


def test_a_damaged_directory_set_aside_is_kept_for_the_grace(
    store: Store, slot: Slot, publish: Publish
) -> None:
    damaged = publish(slot, "text")
    (damaged.path / "one.txt").write_text("damaged")
    make_old(slot)
    publish(slot, "text")

    assert store.gc(grace_s=3600) == []
    assert len(directories(slot, ".corrupt-*")) == 1


def test_gc_leaves_a_slot_and_a_run_alone_in_which_somebody_writes(
    store: Store, slot: Slot, publish: Publish
) -> None:
    publish(slot, "old")
    publish(slot, "new")
    run = store.run("golden-v2.tiny.0123456789")
    with run.lease(), lease(slot.path / ".lease", timeout_s=0.0):
        (run.path / ".tmp-config").write_text("being written")

        assert store.gc(grace_s=0) == []
    assert len(store.gc(grace_s=0)) == 2


def test_gc_leaves_other_files_of_a_run_alone(store: Store, publish: Publish) -> None:
    run = store.run("golden-v2.tiny.0123456789")
    (run.path / "checkpoints" / "300").mkdir(parents=True)
    (run.path / "checkpoints" / "300" / "params").write_text("numbers")
    (run.path / "metrics.jsonl").write_text("{}\n")
    publish(run.slot("predictions/golden-v2.test"), "text")

    assert store.gc(grace_s=0) == []
    assert (run.path / "checkpoints" / "300" / "params").read_text() == "numbers"


def test_gc_deletes_nothing_while_a_damage_hides_what_is_referred_to(
    store: Store, slot: Slot, publish: Publish
) -> None:
    old = publish(slot, "old")
    publish(slot, "new")
    other = publish(store.slot("export", "golden-v2"), "text", parents={"dataset": old.digest})
    flip(other.path / "artifact.json", byte=3)

    with pytest.raises(CorruptArtifact, match="materialize export of 'golden-v2' again"):
        store.gc(grace_s=0)
    assert slot.resolve(old.digest).verify() == []


def test_what_becomes_current_while_gc_waits_is_kept(
    monkeypatch: pytest.MonkeyPatch, store: Store, slot: Slot, publish: Publish
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
    monkeypatch: pytest.MonkeyPatch, store: Store, slot: Slot, publish: Publish
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


def test_a_trial_of_the_collection_names_the_same_and_deletes_nothing(store: Store) -> None:
    slot = store.slot("notes", "a-v1")
    for text in ("one", "two"):
        with slot.publish() as draft:
            (draft.path / "note.txt").write_text(text)

    named = store.gc(grace_s=-1, is_trial=True)

    assert all(path.is_dir() for path in named)
    assert store.gc(grace_s=-1) == named
    assert not any(path.exists() for path in named)
