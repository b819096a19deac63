"""The sensor for new champions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.champion_sensor import champion_changed
from tunix_assets.resources import StoreResource
from tunix_ml.contracts.registry import Decision
from tunix_ml.registry.events import event_log, head_digest
from tunix_ml.store import Store
from tunix_ml.webhook import WEBHOOK_VARIABLE, WebhookFailed

MODEL = "golden-v2.test"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The messages to the webhook, none of which leaves this process."""
    sent: list[Any] = []
    monkeypatch.setattr("tunix_ml.webhook.send_message", sent.append)
    return sent


def decide(home: Path, kind: str, letter: str, model: str = MODEL) -> None:
    log = event_log(Store(home), model)
    decision = Decision.model_validate(
        {
            "kind": kind,
            "version": letter * 64,
            "run_id": f"run-{letter}",
            "actor": "ada",
            "reason": kind,
            "evaluation_set": "golden-v2.test",
            "scorer": "answers",
        }
    )
    log.append(decision, after=head_digest(log.read()))


def tick(instance: dg.DagsterInstance, cursor: str | None) -> tuple[list[tuple[object, object]], str]:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"store": StoreResource()})
    outcome = champion_changed(context)
    events = outcome.asset_events if isinstance(outcome, dg.SensorResult) else []
    told = [(event.metadata["model"].value, event.metadata["champion"].value) for event in events]
    return told, context.cursor or ""


def test_who_is_in_office_at_first_is_no_news(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    decide(home, "register", "a")
    decide(home, "promote", "a")

    told, cursor = tick(instance, None)

    assert told == tick(instance, cursor)[0] == []
    assert messages == []


def test_a_new_champion_is_observed_and_told_once(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    _, cursor = tick(instance, None)
    decide(home, "register", "a")
    decide(home, "promote", "a")

    told, cursor = tick(instance, cursor)

    assert told == [(MODEL, "run-a")]
    assert [message["text"] for message in messages] == [f"{MODEL} has a new champion: run-a"]
    assert tick(instance, cursor)[0] == []


def test_a_damaged_log_holds_up_no_other_model(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    decide(home, "register", "a", model="damaged.test")
    _, cursor = tick(instance, None)
    next((home / "registry" / "damaged.test" / "events").glob("*.json")).write_text("{}")
    decide(home, "register", "a")
    decide(home, "promote", "a")

    assert tick(instance, cursor)[0] == [(MODEL, "run-a")]


def test_a_webhook_that_fails_stops_nothing(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(message: object) -> None:
        raise WebhookFailed("nobody listens")

    monkeypatch.setattr("tunix_ml.webhook.send_message", fail)
    monkeypatch.setenv(WEBHOOK_VARIABLE, "http://127.0.0.1:1")
    _, cursor = tick(instance, None)
    decide(home, "register", "a")
    decide(home, "promote", "a")

    assert tick(instance, cursor)[0] == [(MODEL, "run-a")]
