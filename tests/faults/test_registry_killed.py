"""Writers of the registry are killed with SIGKILL: no event is lost, halved or doubled, and nobody waits."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.registry import Decision
from tunix_ml.registry.events import EventLog, event_log, head_digest
from tunix_ml.store import Store

# The children fork only to be killed; they use neither JAX, which other tests load, nor a thread.
pytestmark = [
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]

NUM_KILLS = int(os.environ.get("TUNIX_NUM_KILLS", "10"))

# Forks a writer for each line it reads; a writer acknowledges each event in one unbuffered call.
NURSERY = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tunix_ml.contracts.registry import Decision
    from tunix_ml.registry.events import event_log, head_digest
    from tunix_ml.store import Store

    def append_for_ever(log):
        acknowledged = os.open(log.path.parents[1] / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while True:
            events = log.read()
            number = len(events) + 1
            decision = Decision(
                kind="register", version=f"{number:064x}", run_id=f"run-{number}", actor="ada",
                reason="new " * 500, evaluation_set="golden-v2.test", scorer="answers",
            )
            event = log.append(decision, after=head_digest(events), lease_timeout_s=0.0)
            os.write(acknowledged, f"{event.sequence} {event.digest()}\\n".encode())

    log = event_log(Store(Path(sys.argv[1])), "default")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            append_for_ever(log)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)
    """
)


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return event_log(Store(tmp_path / "home"), "default")


def decision(number: int) -> Decision:
    return Decision(
        kind="register",
        version=f"{number:064x}",
        run_id=f"run-{number}",
        actor="ada",
        reason="new",
        evaluation_set="golden-v2.test",
        scorer="answers",
    )


def append(log: EventLog) -> int:
    """Append at once: a lease that a dead writer still held would make this fail."""
    events = log.read()
    log.append(decision(len(events) + 1), after=head_digest(events), lease_timeout_s=0.0)
    return len(events) + 1


def test_a_log_survives_writers_killed_at_random(log: EventLog) -> None:
    log.path.mkdir(parents=True)
    moments, appended_here = random.Random(9), 0
    command = [sys.executable, "-W", "ignore", "-c", NURSERY, str(log.path.parents[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        assert nursery.stdin
        assert nursery.stdout
        for _ in range(NUM_KILLS):
            print("go", file=nursery.stdin, flush=True)
            child = int(nursery.stdout.readline())
            time.sleep(moments.uniform(0.02, 0.15))
            os.kill(child, signal.SIGKILL)
            assert nursery.stdout.readline() == "dead\n"

            digests = {event.sequence: event.digest() for event in log.read()}
            assert append(log) == len(digests) + 1
            appended_here += 1
        nursery.stdin.close()

    acknowledged = (log.path.parents[1] / "acknowledged").read_text().splitlines()
    digests = {event.sequence: event.digest() for event in log.read()}
    assert len(acknowledged) > NUM_KILLS
    assert all(digests[int(number)] == digest for number, digest in map(str.split, acknowledged))
    assert len(acknowledged) <= len(digests) - appended_here <= len(acknowledged) + NUM_KILLS
    assert list(log.path.glob(".tmp-*")) == []


def test_a_writer_may_die_before_any_call(calls: Any, tmp_path: Path) -> None:
    num_calls = 0
    while True:
        log = event_log(Store(tmp_path / f"{num_calls}"), "default")
        append(log)

        status = in_a_child(lambda log=log, at=num_calls + 1: append_and_die(calls, log, at))

        assert len(log.read()) in {1, 2}
        assert append(log) == len(log.read())
        assert list(log.path.glob(".tmp-*")) == []
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        num_calls += 1
    assert num_calls > 10


def test_a_call_that_fails_leaves_the_log_whole(calls: Any, tmp_path: Path) -> None:
    num_calls = 0
    while True:
        log = event_log(Store(tmp_path / f"{num_calls}"), "default")
        append(log)

        failed = False
        with calls.watched(at=num_calls + 1, fault=fail):
            try:
                append(log)
            except OSError:
                failed = True

        assert len(log.read()) in {1, 2}
        assert append(log) == len(log.read())
        if not failed:
            break
        num_calls += 1
    assert num_calls > 10


def fail() -> None:
    raise OSError(28, "No space left on device")


def append_and_die(calls: Any, log: EventLog, at: int) -> None:
    with calls.watched(at=at, fault=lambda: os.kill(os.getpid(), signal.SIGKILL)):
        append(log)


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
