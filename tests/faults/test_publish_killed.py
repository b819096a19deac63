"""Writers are killed with SIGKILL: nothing acknowledged is lost, nothing half is seen, nobody has to wait."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

# The children fork only to be killed; they use neither JAX, which other tests load, nor a thread.
pytestmark = [
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

NUM_KILLS = 20

# Forks a publisher for each line it reads, so that only the first has to import the store. A publisher writes
# what it is about to publish and what it has published to two files, each line in one unbuffered call.
NURSERY = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tunix_ml.store import Store

    def publish_for_ever(store, kind, start):
        announced = os.open(store.home / "announced", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        acknowledged = os.open(store.home / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for number in range(start, start + 100_000):
            key = "all" if kind == "mutable" else f"golden-v{number}"
            os.write(announced, f"{key} {number}\\n".encode())
            with store.slot(kind, key).publish(immutable=kind == "immutable", lease_timeout_s=0.0) as draft:
                for name in ("one.txt", "two.txt"):
                    (draft.path / name).write_text(f"{number}\\n" * 2_000)
            os.write(acknowledged, f"{key} {number} {draft.snapshot.digest}\\n".encode())

    store, kind = Store(Path(sys.argv[1])), sys.argv[2]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            publish_for_ever(store, kind, int(line))
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)
    """
)


class Nursery:
    """A process that starts publishers, one at a time, and tells when they are dead."""

    def __init__(self, home: Path, kind: str) -> None:
        home.mkdir()
        command = [sys.executable, "-W", "ignore", "-c", NURSERY, str(home), kind]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def kill_a_publisher(self, *, start: int, after_s: float) -> None:
        assert self.process.stdin
        assert self.process.stdout
        print(start, file=self.process.stdin, flush=True)
        child = int(self.process.stdout.readline())
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        assert self.process.stdout.readline() == "dead\n"

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


@pytest.fixture
def nurseries() -> Iterator[list[Nursery]]:
    started: list[Nursery] = []
    yield started
    for nursery in started:
        nursery.close()


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def number_in(snapshot: Snapshot) -> int:
    """Return the number that both files of a version hold, after checking that it is whole."""
    assert snapshot.verify() == []
    numbers = {*snapshot.file("one.txt").read_text().split(), *snapshot.file("two.txt").read_text().split()}
    assert len(numbers) == 1
    return int(numbers.pop())


def publish(slot: Slot, number: int, **kwargs: Any) -> Snapshot:
    """Publish at once: a lease that a dead writer still held would make this fail."""
    with slot.publish(lease_timeout_s=0.0, **kwargs) as draft:
        for name in ("one.txt", "two.txt"):
            (draft.path / name).write_text(f"{number}\n" * 2_000)
    return draft.snapshot


def test_a_slot_survives_killed_writers(tmp_path: Path, nurseries: list[Nursery]) -> None:
    store, moments, next_number = Store(tmp_path / "home"), random.Random(7), 1
    nurseries.append(Nursery(store.home, "mutable"))

    for _ in range(NUM_KILLS):
        nurseries[0].kill_a_publisher(start=next_number, after_s=moments.uniform(0.005, 0.2))

        acknowledged, announced = lines(store.home / "acknowledged"), lines(store.home / "announced")
        slot = store.slot("mutable", "all")
        if acknowledged:
            last_acknowledged, last_announced = int(acknowledged[-1][1]), int(announced[-1][1])
            assert number_in(slot.resolve()) in {max(last_acknowledged, next_number - 1), last_announced}
            assert number_in(slot.resolve(acknowledged[-1][2])) == last_acknowledged
        next_number = int(announced[-1][1]) + 1 if announced else 1
        assert number_in(publish(slot, next_number)) == number_in(slot.resolve()) == next_number
        next_number += 1
    assert len(lines(store.home / "acknowledged")) > 5
    store.gc(grace_s=0)
    assert [path.name for path in slot.path.glob(".tmp-*")] == []
    assert store.verify() == []


def test_immutable_versions_survive_killed_writers(tmp_path: Path, nurseries: list[Nursery]) -> None:
    store, moments, next_number = Store(tmp_path / "home"), random.Random(8), 1
    nurseries.append(Nursery(store.home, "immutable"))

    for _ in range(NUM_KILLS):
        nurseries[0].kill_a_publisher(start=next_number, after_s=moments.uniform(0.005, 0.2))

        for key, number, digest in lines(store.home / "acknowledged"):
            assert store.slot("immutable", key).resolve().digest == digest
            assert number_in(store.slot("immutable", key).resolve()) == int(number)
        announced = lines(store.home / "announced")
        if announced:
            key, number = announced[-1]
            interrupted = store.slot("immutable", key)
            assert number_or_none(interrupted) in {None, int(number)}
            assert number_in(publish(interrupted, int(number), immutable=True)) == int(number)
            next_number = int(number) + 1
    assert len(lines(store.home / "acknowledged")) > 5
    assert store.verify() == []


def number_or_none(slot: Slot) -> int | None:
    try:
        return number_in(slot.resolve())
    except NotPublished:
        return None


def kill_before_each_call(calls: Any, home: Path, before: list[int], *, immutable: bool = False) -> int:
    """Publish `before`, then 9 in a child killed before its n-th call, for every n; return their number."""
    num_calls = 0
    while True:
        slot = Store(home / f"{num_calls}").slot("table", "golden-v2")
        for number in before:
            publish(slot, number)

        status = in_a_child(
            lambda slot=slot, at=num_calls + 1: publish_and_die(calls, slot, at, immutable=immutable)
        )
        if status == 0:
            return num_calls
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert number_or_none(slot) in {before[-1] if before else None, 9}
        assert number_in(publish(slot, 9, immutable=immutable)) == number_or_none(slot) == 9
        Store(home / f"{num_calls}").gc(grace_s=0)
        assert list(slot.path.glob(".tmp-*")) == []
        assert number_or_none(slot) == 9
        num_calls += 1


def publish_and_die(calls: Any, slot: Slot, at: int, *, immutable: bool) -> None:
    with calls.watched(at=at, fault=lambda: os.kill(os.getpid(), signal.SIGKILL)):
        publish(slot, 9, immutable=immutable)


def in_a_child(work: Any) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child uses no thread and never returns
        child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1]


def test_the_first_writer_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    assert kill_before_each_call(calls, tmp_path, []) > 30


def test_the_first_writer_of_an_immutable_version_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    assert kill_before_each_call(calls, tmp_path, [], immutable=True) > 30


def test_the_second_writer_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    assert kill_before_each_call(calls, tmp_path, [1]) > 25


def test_a_writer_that_brings_back_an_earlier_content_may_die_before_any_call(
    calls: Any, tmp_path: Path
) -> None:
    assert kill_before_each_call(calls, tmp_path, [9, 1]) > 25


def test_a_writer_of_the_same_content_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    assert kill_before_each_call(calls, tmp_path, [9]) > 20


def test_a_writer_that_mends_a_damaged_directory_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    num_calls = 0
    while True:
        slot = Store(tmp_path / f"{num_calls}").slot("table", "golden-v2")
        (publish(slot, 9).path / "one.txt").write_text("damaged")

        status = in_a_child(
            lambda slot=slot, at=num_calls + 1: publish_and_die(calls, slot, at, immutable=True)
        )

        assert number_in(publish(slot, 9, immutable=True)) == 9
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        num_calls += 1
    assert num_calls > 25
