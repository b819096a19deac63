import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.registry import Decision, RegistryEvent, RegistryHead
from tunix_ml.durable import LeaseHeld, lease
from tunix_ml.registry.events import (
    CorruptLog,
    EventLog,
    StaleDecision,
    event_log,
    head_digest,
    registered_names,
)
from tunix_ml.store import Store

Append = Callable[..., None]
Decide = Callable[..., Decision]
FIVE = ("register a", "register b", "promote a", "promote b", "retire a")


def test_events_come_back_in_their_order(log: EventLog, append: Append) -> None:
    append("register a", "promote a")

    events = log.read()

    assert [(event.sequence, event.kind, event.run_id) for event in events] == [
        (1, "register", "run-a"),
        (2, "promote", "run-a"),
    ]
    assert {event.model for event in events} == {"golden-v2.test"}
    assert abs((datetime.fromisoformat(events[0].at) - datetime.now(UTC)).total_seconds()) < 60


def test_each_event_names_the_bytes_of_the_one_before(log: EventLog, append: Append) -> None:
    append(*FIVE)

    events = log.read()

    assert [event.previous for event in events] == [None, *(event.digest() for event in events[:-1])]
    assert head_digest(events) == events[-1].digest()


def test_a_log_without_an_event_is_empty_and_whole(log: EventLog) -> None:
    assert (log.read(), log.verify(), head_digest([])) == ([], [], None)


def test_a_decision_prepared_before_another_event_is_refused(
    log: EventLog, append: Append, decision: Decide
) -> None:
    append("register a")

    with pytest.raises(StaleDecision, match=r"has other events by now \(1\): decide again"):
        log.append(decision("register", "b"), after=None)
    assert len(log.read()) == 1


def test_two_writers_do_not_take_one_number(log: EventLog, append: Append, decision: Decide) -> None:
    append("register a")
    after, outcomes = head_digest(log.read()), list[str]()

    def write(letter: str) -> None:
        try:
            log.append(decision("register", letter), after=after)
            outcomes.append("appended")
        except StaleDecision:
            outcomes.append("refused")

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "bcde"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert sorted(outcomes) == ["appended", "refused", "refused", "refused"]
    assert len(log.read()) == 2


def test_a_writer_without_its_lease_does_not_overwrite(
    log: EventLog, append: Append, decision: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    append("register a")
    read, after = EventLog.read, head_digest(log.read())

    def read_and_be_overtaken(self: EventLog) -> list[RegistryEvent]:
        events = read(self)
        (log.path / ".lease").unlink()
        monkeypatch.setattr(EventLog, "read", read)
        log.append(decision("register", "b"), after=after)
        return events

    monkeypatch.setattr(EventLog, "read", read_and_be_overtaken)
    with pytest.raises(StaleDecision, match=r"00000002\.json was appended by another writer"):
        log.append(decision("register", "c"), after=after)

    assert [event.run_id for event in log.read()] == ["run-a", "run-b"]
    assert list(log.path.glob(".tmp-*")) == []


def test_a_writer_that_has_to_wait_too_long_names_the_other(
    log: EventLog, append: Append, decision: Decide
) -> None:
    append("register a")

    with lease(log.path / ".lease", timeout_s=0), pytest.raises(LeaseHeld, match="is being written by"):
        log.append(decision("register", "b"), after=head_digest(log.read()), lease_timeout_s=0.0)


def test_what_a_killed_writer_left_is_cleared_away(log: EventLog, append: Append) -> None:
    append("register a")
    (log.path / ".tmp-dead").write_bytes(b'{"half')

    append("register b")

    assert list(log.path.glob(".tmp-*")) == []
    assert log.verify() == []


def rewrite(path: Path, *, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


def test_a_changed_event_is_named(log: EventLog, append: Append) -> None:
    append(*FIVE)
    rewrite(log.file(3), old=b"promote a", new=b"promote x")

    with pytest.raises(CorruptLog, match=r"00000003\.json was changed: event 4 was appended after another"):
        log.read()


def test_an_event_with_another_predecessor_is_named(log: EventLog, append: Append) -> None:
    append(*FIVE)
    previous = log.read()[2].previous
    rewrite(log.file(3), old=str(previous).encode(), new=b"0" * 64)

    assert any("00000003.json was changed: event 3 was appended after" in one for one in log.verify())


def test_a_changed_last_event_is_found_by_the_recorded_head(log: EventLog, append: Append) -> None:
    append(*FIVE)
    head = RegistryHead(sequence=5, event_digest=str(head_digest(log.read())))
    rewrite(log.file(5), old=b"retire a", new=b"retire x")

    assert log.verify() == []
    (problem,) = log.verify(head=head)
    assert problem.startswith(f"{log.file(5)} was changed: it has sha256 ")


def test_one_of_the_last_two_events_was_changed(log: EventLog, append: Append) -> None:
    append(*FIVE)
    rewrite(log.file(4), old=b"promote b", new=b"promote x")

    (problem,) = log.verify()

    assert problem.startswith(f"{log.file(4)} or {log.file(5)} was changed")


def test_an_event_spelled_otherwise_is_named(log: EventLog, append: Append) -> None:
    append(*FIVE)
    log.file(2).write_bytes(log.file(2).read_bytes() + b"\n")

    assert f"{log.file(2)} is not spelled as an event is, it was changed" in log.verify()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_what_is_no_event_any_more_is_named(log: EventLog, append: Append, content: bytes) -> None:
    append(*FIVE)
    log.file(2).write_bytes(content)

    with pytest.raises(CorruptLog, match=r"00000002\.json is not a RegistryEvent: .*; it was changed"):
        log.read()


@pytest.mark.parametrize("number", [1, 3])
def test_a_missing_event_is_named(log: EventLog, append: Append, number: int) -> None:
    append(*FIVE)
    log.file(number).unlink()

    assert f"{log.file(number)} is missing" in log.verify()


def test_a_log_that_was_cut_short_is_found_by_the_recorded_head(log: EventLog, append: Append) -> None:
    append(*FIVE)
    head = RegistryHead(sequence=5, event_digest=str(head_digest(log.read())))
    log.file(5).unlink()

    assert log.verify() == []
    assert log.verify(head=head) == [
        f"{log.file(5)} is missing, it was the last event once: the log was cut short"
    ]


def test_a_log_that_has_grown_since_still_has_its_recorded_head(log: EventLog, append: Append) -> None:
    append("register a")
    head = RegistryHead(sequence=1, event_digest=str(head_digest(log.read())))
    append("register b")

    assert log.verify(head=head) == []


def test_an_inserted_event_is_named(log: EventLog, append: Append) -> None:
    append(*FIVE)
    log.file(5).rename(log.file(6))
    log.file(5).write_bytes(log.file(4).read_bytes())

    problems = log.verify()

    assert f"{log.file(5)} holds event 4, it was inserted or moved" in problems
    assert f"{log.file(6)} holds event 5, it was inserted or moved" in problems


def test_events_that_changed_places_are_named(log: EventLog, append: Append) -> None:
    append(*FIVE)
    third, fourth = log.file(3).read_bytes(), log.file(4).read_bytes()
    log.file(3).write_bytes(fourth)
    log.file(4).write_bytes(third)

    with pytest.raises(CorruptLog, match=r"00000003\.json holds event 4, .*00000004\.json holds event 3"):
        log.read()


def test_an_event_of_another_model_is_named(store: Store, log: EventLog, append: Append) -> None:
    append("register a")
    other = event_log(store, "other")
    other.folder.mkdir(parents=True)
    other.file(1).write_bytes(log.file(1).read_bytes())

    assert other.verify() == [f"{other.file(1)} is an event of 'golden-v2.test', it was inserted"]


@pytest.mark.parametrize("name", ["notes.txt", "00000000.json", "6.json", "00000006.json.bak"])
def test_a_stranger_among_the_events_is_named(log: EventLog, append: Append, name: str) -> None:
    append("register a")
    (log.folder / name).write_text("{}")

    assert log.verify() == [f"{log.folder / name} is no event, nothing else belongs there"]


def test_only_the_first_problems_are_told_with_the_number_of_the_others(
    log: EventLog, append: Append
) -> None:
    append(*FIVE)
    for number in (1, 2, 3, 4):
        log.file(number).unlink()

    with pytest.raises(CorruptLog, match=r"; and 1 more$"):
        log.read()


def test_nothing_is_appended_to_a_damaged_log(log: EventLog, append: Append, decision: Decide) -> None:
    append(*FIVE)
    after = head_digest(log.read())
    log.file(2).unlink()

    with pytest.raises(CorruptLog):
        log.append(decision("register", "c"), after=after)
    assert not log.file(6).exists()


def test_models_have_names_once_they_have_an_event(store: Store, append: Append, decision: Decide) -> None:
    append("register a")
    event_log(store, "another").append(decision("register", "b"), after=None)
    event_log(store, "empty").folder.mkdir(parents=True)

    assert registered_names(store) == ["another", "golden-v2.test"]


def test_a_name_that_leads_elsewhere_is_refused(store: Store) -> None:
    with pytest.raises(ContractError, match="cannot name a registered model"):
        event_log(store, "../runs")
