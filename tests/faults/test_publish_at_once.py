"""Several writers and readers of one slot: one after the other, never a mixture, never an orphan on top."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.durable import LeaseHeld
from tunix_ml.slot import Slot, StaleGeneration
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


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
        (draft.path / "deep").mkdir()
        (draft.path / "deep" / "two.txt").write_text(text * 2)
        meanwhile(draft.path)
    return draft.snapshot


def publish_without_lease(slot: Slot, text: str, **kwargs: Any) -> Snapshot:
    """Publish as another process would if the lease file were taken away from its holder."""
    (slot.path / ".lease").unlink()
    return publish(slot, text, **kwargs)


def test_two_processes_publish_to_one_slot_one_after_the_other(store: Store, slot: Slot) -> None:
    script = textwrap.dedent(
        """
        import sys; from pathlib import Path; from tunix_ml.store import Store
        sys.stdin.readline()
        for number in range(20):
            with Store(Path(sys.argv[1])).slot("dataset", "golden-v2").publish() as draft:
                (draft.path / "one.txt").write_text(f"{sys.argv[2]} {number}")
        """
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(store.home), name], stdin=subprocess.PIPE)
        for name in "ab"
    ]
    for writer in writers:
        writer.communicate(b"\n", timeout=60)

    assert [writer.returncode for writer in writers] == [0, 0]
    assert slot.pointer().generation == 40
    assert store.verify() == []


def test_a_writer_waits_for_the_one_before_it(slot: Slot) -> None:
    inside = threading.Event()

    def slow() -> None:
        with slot.publish() as draft:
            inside.set()
            time.sleep(0.2)
            (draft.path / "one.txt").write_text("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    inside.wait()
    second = publish(slot, "second")
    thread.join()

    assert slot.resolve() == second
    assert slot.pointer().generation == 2


def test_a_writer_that_waited_too_long_names_the_other(slot: Slot) -> None:
    with pytest.raises(LeaseHeld, match=rf'golden-v2 is being written by .*"pid": {os.getpid()}'):
        publish(slot, "first", meanwhile=lambda _: publish(slot, "second", lease_timeout_s=0.1))


def test_an_orphan_cannot_overwrite_what_was_published_meanwhile(slot: Slot) -> None:
    publish(slot, "old")

    with pytest.raises(StaleGeneration, match=r"generation=1.*generation=2"):
        publish(slot, "orphan", meanwhile=lambda _: publish_without_lease(slot, "new"))

    assert slot.resolve().file("one.txt").read_text() == "new"
    assert slot.resolve().verify() == []


def test_an_orphan_does_not_harm_a_content_that_was_mended_meanwhile(slot: Slot) -> None:
    (publish(slot, "same").path / "one.txt").write_text("damaged")

    def mend(draft: Path) -> None:
        publish_without_lease(slot, "same", code_version="mended")

    with pytest.raises(StaleGeneration):
        publish(slot, "same", code_version="orphan", meanwhile=mend)
    assert slot.resolve().record.code_version == "mended"
    assert slot.resolve().verify() == []


def test_an_orphan_cannot_publish_where_the_pointer_was_taken_away(slot: Slot) -> None:
    publish(slot, "old")

    with pytest.raises(StaleGeneration):
        publish(slot, "orphan", meanwhile=lambda _: (slot.path / "pointer.json").unlink())


def test_a_reader_never_sees_a_mixture(store: Store, slot: Slot) -> None:
    writer = threading.Thread(target=lambda: [publish(slot, f"{number} " * 3_000) for number in range(50)])
    publish(slot, "first ")
    writer.start()
    seen = set()
    while writer.is_alive():
        snapshot = slot.resolve()
        words = {word for name in snapshot.record.files for word in snapshot.file(name).read_text().split()}
        assert snapshot.verify() == []
        assert len(words) == 1
        seen |= words
    writer.join()

    assert len(seen) > 1
    assert slot.pointer().generation == 51
