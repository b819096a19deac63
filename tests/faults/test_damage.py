"""Damaged files: every damage is reported, says how to go on, and is mended by the same content."""

from pathlib import Path
from typing import Any

import pytest

from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, Snapshot
from tunix_ml.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def slot(store: Store) -> Slot:
    return store.slot("dataset", "golden-v2")


def publish(slot: Slot, text: str, **kwargs: Any) -> Snapshot:
    with slot.publish(**kwargs) as draft:
        (draft.path / "one.txt").write_text(text)
        (draft.path / "deep").mkdir()
        (draft.path / "deep" / "two.txt").write_text(text * 2)
    return draft.snapshot


def flip(path: Path, *, byte: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def directories(slot: Slot, pattern: str) -> list[str]:
    return sorted(path.name for path in slot.path.glob(pattern))


def test_a_flipped_bit_in_a_file_is_reported_and_mended_by_the_same_content(slot: Slot) -> None:
    snapshot = publish(slot, "text", immutable=True)
    flip(snapshot.path / "one.txt", byte=2)

    assert snapshot.verify()[0].startswith(f"{snapshot.path / 'one.txt'} has sha256")
    with pytest.raises(CorruptArtifact, match="published as"):
        slot.resolve().file("one.txt")
    assert publish(slot, "text", immutable=True).verify() == []
    assert slot.resolve().file("one.txt").read_text() == "text"
    assert len(directories(slot, ".corrupt-*")) == 1


def test_a_missing_and_a_foreign_file_are_reported(slot: Slot) -> None:
    snapshot = publish(slot, "text")
    (snapshot.path / "one.txt").rename(snapshot.path / "three.txt")

    assert snapshot.verify() == [
        f"{snapshot.path / 'one.txt'} is missing",
        f"{snapshot.path / 'three.txt'} was never published",
    ]


def test_a_link_in_the_place_of_a_file_is_not_that_file(slot: Slot, tmp_path: Path) -> None:
    snapshot = publish(slot, "text")
    (snapshot.path / "one.txt").rename(tmp_path / "elsewhere.txt")
    (snapshot.path / "one.txt").symlink_to(tmp_path / "elsewhere.txt")

    with pytest.raises(CorruptArtifact, match=r"one\.txt is missing"):
        snapshot.file("one.txt")


def test_any_flipped_bit_in_the_record_is_reported_and_mended(slot: Slot) -> None:
    path = publish(slot, "text", immutable=True).path / "artifact.json"
    for byte in range(0, len(path.read_bytes()), 7):
        flip(path, byte=byte, bit=byte % 8)

        with pytest.raises(
            CorruptArtifact, match=r"artifact\.json .* materialize dataset of 'golden-v2' again"
        ):
            slot.resolve()
        assert publish(slot, "text", immutable=True) == slot.resolve()
        assert slot.resolve().verify() == []


def test_any_flipped_bit_in_the_pointer_is_reported_or_changes_nothing(slot: Slot) -> None:
    snapshot, path = publish(slot, "text"), slot.path / "pointer.json"
    sound = path.read_bytes()
    harmless = range(sound.index(b"generation") + len('generation":'), sound.index(b',"record'))
    for byte in set(range(len(sound))) - set(harmless):
        flip(path, byte=byte, bit=byte % 8)

        with pytest.raises(CorruptArtifact, match="materialize dataset of 'golden-v2' again"):
            slot.resolve()
        path.write_bytes(sound)
    assert slot.resolve() == snapshot


def test_a_damaged_pointer_says_how_to_go_on_and_then_the_content_is_adopted(slot: Slot) -> None:
    snapshot = publish(slot, "text", immutable=True)
    (slot.path / "pointer.json").write_bytes(b"")

    with pytest.raises(
        CorruptArtifact, match=r"pointer\.json is not a SlotPointer.*delete it and materialize"
    ):
        publish(slot, "text", immutable=True)
    (slot.path / "pointer.json").unlink()
    assert publish(slot, "text", immutable=True) == snapshot == slot.resolve()


def test_a_content_that_the_pointer_misses_is_damage_and_comes_back(slot: Slot) -> None:
    snapshot = publish(slot, "text", immutable=True)
    snapshot.path.rename(slot.path / "elsewhere")

    with pytest.raises(CorruptArtifact, match=r"artifact\.json is missing, pointer\.json points to it"):
        slot.resolve()
    assert publish(slot, "text", immutable=True).verify() == []


def test_a_damaged_record_is_never_adopted_as_the_new_truth(slot: Slot) -> None:
    snapshot = publish(slot, "text", parents={"source": "0" * 64})
    record = snapshot.path / "artifact.json"
    record.write_bytes(record.read_bytes().replace(b"0" * 64, b"1" + b"0" * 63))

    publish(slot, "text", parents={"source": "0" * 64})

    assert slot.resolve().record.parents == {"source": "0" * 64}


def test_verify_of_the_store_tells_every_damage_and_goes_on(store: Store) -> None:
    slots = [store.slot("dataset", f"golden-v{number}") for number in range(4)]
    for slot in slots:
        publish(slot, "text")
    flip(slots[0].path / "pointer.json", byte=3)
    flip(slots[1].resolve().path / "artifact.json", byte=3)
    flip(slots[2].resolve().path / "one.txt", byte=3)

    problems = store.verify()

    assert [f"golden-v{number}" in problem for number, problem in enumerate(problems)] == [True] * 3


def test_verify_of_a_sound_or_empty_store_has_nothing_to_tell(store: Store, slot: Slot) -> None:
    assert store.verify() == []
    publish(slot, "text")
    (store.home / "lake" / "dataset" / "note.txt").write_text("not an artifact")

    assert store.verify() == []
    assert store.slots() == [slot]
