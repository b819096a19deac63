"""Every file-system call of a publication fails once: nobody sees half of anything, and a retry succeeds."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.durable import write_atomically
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

ERRORS = [errno.ENOSPC, errno.EIO]


def publish(slot: Slot, text: str, **kwargs: Any) -> Snapshot:
    with slot.publish(parents={"dataset": "0" * 64}, **kwargs) as draft:
        (draft.path / "one.txt").write_bytes(text.encode())
        (draft.path / "deep").mkdir()
        (draft.path / "deep" / "two.txt").write_bytes(text.encode() * 2)
    return draft.snapshot


def read(slot: Slot) -> str | None:
    """Return what a reader sees, after checking that it is whole."""
    try:
        snapshot = slot.resolve()
    except NotPublished:
        return None
    one, two = snapshot.file("one.txt").read_text(), snapshot.file("deep/two.txt").read_text()
    assert snapshot.verify() == []
    assert two == one * 2
    return one


def fail(code: int) -> Callable[[], None]:
    def fault() -> None:
        raise OSError(code, os.strerror(code))

    return fault


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Store(tmp_path / "home").slot("dataset", "golden-v2")


def leftovers(slot: Slot) -> list[str]:
    return sorted(path.name for path in slot.path.rglob("*") if path.name.startswith((".tmp-", ".corrupt-")))


def fail_each_call(
    calls: Any, slot: Slot, before: list[str], text: str, code: int, *, immutable: bool = False
) -> int:
    """Publish `before` and then `text` with the n-th call failing, for every n; return their number."""
    home, num_calls = slot.path.parents[2], 0
    while True:
        store = Store(home / f"{num_calls}")
        slot = store.slot(slot.table, slot.key)
        for old in before:
            publish(slot, old)

        raised: OSError | None = None
        with calls.watched(at=num_calls + 1, fault=fail(code)):
            try:
                publish(slot, text, immutable=immutable)
            except OSError as error:
                raised = error
        if len(calls.names) == num_calls:
            return num_calls

        if raised is None:
            assert calls.was_in_cleanup, f"{calls.names[num_calls]} failed in silence"
            assert read(slot) == text
        else:
            assert raised.errno == code
            assert read(slot) in {before[-1] if before else None, text}
        publish(slot, text, immutable=immutable, lease_timeout_s=0.0)
        store.gc(grace_s=0)
        assert leftovers(slot) == []
        assert read(slot) == text
        num_calls += 1


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_the_first_publication_is_whole_or_absent(calls: Any, slot: Slot, code: int) -> None:
    assert fail_each_call(calls, slot, [], "new", code) > 30


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_the_first_publication_of_an_immutable_version_is_whole_or_absent(
    calls: Any, slot: Slot, code: int
) -> None:
    assert fail_each_call(calls, slot, [], "new", code, immutable=True) > 30


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_a_second_content_replaces_the_first_or_leaves_it(calls: Any, slot: Slot, code: int) -> None:
    assert fail_each_call(calls, slot, ["old"], "new", code) > 25


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_an_earlier_content_comes_back_or_the_later_stays(calls: Any, slot: Slot, code: int) -> None:
    assert fail_each_call(calls, slot, ["new", "old"], "new", code) > 25


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_the_same_content_again_loses_nothing(calls: Any, slot: Slot, code: int) -> None:
    assert fail_each_call(calls, slot, ["new"], "new", code) > 20


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_an_atomic_write_replaces_the_file_or_leaves_it(calls: Any, tmp_path: Path, code: int) -> None:
    path, at = tmp_path / "config.json", 1
    while True:
        path.write_bytes(b"old")
        with calls.watched(at=at, fault=fail(code)), contextlib.suppress(OSError):
            write_atomically(path, b"new")
        if len(calls.names) < at:
            break

        assert path.read_bytes() in {b"old", b"new"}
        assert list(tmp_path.iterdir()) == [path]
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        at += 1
    assert at > 6


def test_a_failing_cleanup_does_not_hide_the_first_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "replace", lambda *args: fail(errno.ENOSPC)())
    monkeypatch.setattr(os, "unlink", lambda *args: fail(errno.EIO)())

    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "config.json", b"new")


def test_the_body_of_a_publication_fails_and_nothing_is_left(slot: Slot) -> None:
    publish(slot, "old")

    def write_half() -> None:
        with slot.publish() as draft:
            (draft.path / "one.txt").write_text("half")
            raise KeyError("in the body")

    with pytest.raises(KeyError, match="in the body"):
        write_half()

    assert read(slot) == "old"
    assert leftovers(slot) == []
