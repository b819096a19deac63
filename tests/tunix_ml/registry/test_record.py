from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.registry import PromotionOutcome
from tunix_ml.registry.events import CorruptLog, EventLog, event_log
from tunix_ml.registry.models import read_registered
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.promotion import register_new
from tunix_ml.registry.record import (
    log_problems,
    publish_registry,
    published_heads,
    read_events,
    read_record,
    registry_slot,
    require_whole_logs,
)
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Append = Callable[..., None]
OUTCOME = PromotionOutcome(
    action="promote_best",
    model="golden-v2.test",
    result="kept",
    version=None,
    run_id=None,
    reasons=["nothing to do"],
    gate=None,
)


def publish(store: Store) -> Snapshot:
    return publish_registry(store, OUTCOME)


def test_an_empty_registry_is_published_with_its_outcome(store: Store) -> None:
    snapshot = publish(store)

    assert (read_record(snapshot).models, read_record(snapshot).outcome) == ({}, OUTCOME)
    assert read_events(snapshot) == []
    assert published_heads(store) == {}


def test_every_model_is_published_with_its_head_and_events(
    store: Store, log: EventLog, append: Append, decision: Callable[..., Any]
) -> None:
    append("register a", "promote a")
    event_log(store, "another").append(decision("register", "b"), after=None)

    snapshot = publish(store)

    models = read_record(snapshot).models
    assert {name: model.head.sequence for name, model in models.items()} == {
        "another": 1,
        "golden-v2.test": 2,
    }
    assert models["golden-v2.test"].aliases == {"champion": "a" * 64}
    assert read_events(snapshot) == [*event_log(store, "another").read(), *log.read()]
    assert published_heads(store)["golden-v2.test"].event_digest == log.read()[-1].digest()


def test_a_log_that_was_cut_short_since_is_refused(store: Store, log: EventLog, append: Append) -> None:
    append("register a", "promote a")
    publish(store)
    log.file(2).unlink()

    with pytest.raises(CorruptLog, match=r"00000002\.json is missing, .* the log was cut short"):
        require_whole_logs(store)
    with pytest.raises(CorruptLog, match="was cut short"):
        publish(store)


def test_a_log_that_is_gone_altogether_is_refused(store: Store, log: EventLog, append: Append) -> None:
    append("register a")
    publish(store)
    log.file(1).unlink()

    with pytest.raises(CorruptLog, match=r"00000001\.json is missing"):
        require_whole_logs(store)


def test_a_log_written_anew_from_the_start_is_refused(store: Store, log: EventLog, append: Append) -> None:
    append("register a", "promote a")
    publish(store)
    for number in (1, 2):
        log.file(number).unlink()
    append("register b", "promote b")

    assert log.verify() == []
    with pytest.raises(CorruptLog, match="was changed: it has sha256"):
        require_whole_logs(store)


def test_a_log_that_has_grown_since_is_whole(store: Store, append: Append) -> None:
    append("register a")
    publish(store)
    append("promote a")

    require_whole_logs(store)
    assert log_problems(store, heads={}) == []


def test_what_is_published_restores_a_lost_event(store: Store, log: EventLog, append: Append) -> None:
    append("register a", "promote a")
    snapshot = publish(store)
    log.file(2).unlink()

    log.file(2).write_bytes(read_events(snapshot)[1].to_json())

    require_whole_logs(store)


def test_damaged_heads_are_not_taken_for_none(store: Store, append: Append) -> None:
    append("register a")
    (publish(store).path / "registry.json").write_text("{}")

    with pytest.raises(
        CorruptLog, match=r"the heads of the logs cannot be read: .*registry\.json has sha256"
    ):
        require_whole_logs(store)


def test_what_versions_rest_on_is_not_collected(
    store: Store, contender: Callable[..., str], rows: Callable[[], list[Any]], tampered: Callable[..., Any]
) -> None:
    run = store.run(contender("one"))
    model = read_registered(store, "golden-v2.test")
    register_new(store, model, rows(), scope=Scope("golden-v2.test", "answers"), actor="ada")
    published = publish(store)
    slot = run.slot("predictions/golden-v2.test")
    before = slot.resolve()
    tampered(slot, lambda folder: (folder / "gold.jsonl").write_bytes(b"\n"))

    store.gc(grace_s=-1)

    assert before.digest in published.record.parents.values()
    assert slot.resolve() != before
    assert slot.resolve(before.digest).verify() == []


def test_it_is_published_under_the_name_of_the_asset(store: Store) -> None:
    publish(store)

    assert (registry_slot(store).table, registry_slot(store).key) == ("registered_model", "all")
