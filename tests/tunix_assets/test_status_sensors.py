"""The sensors that keep what happens to runs, and tell of failures."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from tunix_assets.resources import StoreResource
from tunix_assets.status_sensors import STATUS_SENSORS, keep_status
from tunix_ml.contracts.run_state import StatusFact, StatusName
from tunix_ml.status_facts import status_facts
from tunix_ml.store import Store
from tunix_ml.webhook import WEBHOOK_VARIABLE, WebhookFailed

SENSORS: dict[str, Any] = {sensor.name: sensor for sensor in STATUS_SENSORS}


@dg.asset(name="dataset")
def broken() -> None:
    raise dg.Failure(description="the recipe is not YAML", allow_retries=False)


@dg.asset(name="dataset")
def fine() -> None:
    pass


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The messages to the webhook, none of which leaves this process."""
    sent: list[Any] = []
    monkeypatch.setattr("tunix_ml.webhook.send_message", sent.append)
    return sent


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def run(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, job: str = "build_dataset") -> str:
    defs = dg.Definitions(assets=[asset], jobs=[dg.define_asset_job(job, selection="dataset")])
    tags = {"dagster/partition": "mine-v1", "tunix/run_id": "mine-v1.tiny.0123456789"}
    result = defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    return result.run_id


def tell(
    instance: dg.DagsterInstance, run_id: str, status: StatusName, kind: dg.DagsterEventType | None = None
) -> dg.RunRequest | dg.SkipReason:
    found = instance.get_run_by_id(run_id)
    assert found is not None
    kinds = {
        "succeeded": dg.DagsterEventType.RUN_SUCCESS,
        "failed": dg.DagsterEventType.RUN_FAILURE,
        "started": dg.DagsterEventType.RUN_START,
    }
    (event, *_) = [
        entry.dagster_event
        for entry in instance.all_logs(run_id, of_type=kind or kinds[status])
        if entry.dagster_event
    ]
    context = dg.build_run_status_sensor_context(
        sensor_name=f"run_{status}", dagster_instance=instance, dagster_run=found, dagster_event=event
    )
    return keep_status(context, StoreResource(), status=status)


def only_fact(home: Path) -> StatusFact:
    (fact,) = status_facts(Store(home))
    return fact


def test_there_is_a_sensor_for_each_status_and_all_of_them_run() -> None:
    names = {"run_queued", "run_started", "run_succeeded", "run_failed", "run_cancelled"}

    assert set(SENSORS) == names
    assert {sensor.default_status for sensor in SENSORS.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert all(sensor.description for sensor in SENSORS.values())


def test_a_success_is_kept_and_asks_for_nothing(home: Path, instance: dg.DagsterInstance) -> None:
    run_id = run(instance, fine)

    assert isinstance(tell(instance, run_id, "started"), dg.SkipReason)
    assert isinstance(tell(instance, run_id, "succeeded"), dg.SkipReason)

    started, succeeded = status_facts(Store(home))
    assert (started.status, succeeded.status) == ("started", "succeeded")
    assert started.at < succeeded.at
    assert (succeeded.assets, succeeded.dataset_version) == (("dataset",), "mine-v1")
    assert succeeded.run_id == "mine-v1.tiny.0123456789"


def test_a_failure_is_kept_told_and_shown(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    run_id = run(instance, broken)

    outcome = tell(instance, run_id, "failed")

    fact = only_fact(home)
    assert (fact.status, fact.failed_asset, fact.reason) == ("failed", "dataset", "the recipe is not YAML")
    assert isinstance(outcome, dg.RunRequest)
    assert outcome.run_key == f"{run_id}:failed"
    assert [(message["asset"], message["partition"]) for message in messages] == [("dataset", "mine-v1")]
    assert "the recipe is not YAML" in messages[0]["text"]


def test_a_success_that_makes_a_failure_good_is_shown_once(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    tell(instance, run(instance, broken), "failed")

    first = tell(instance, run(instance, fine), "succeeded")
    second = tell(instance, run(instance, fine), "succeeded")

    assert isinstance(first, dg.RunRequest)
    assert isinstance(second, dg.SkipReason)


def test_a_failure_is_told_once(home: Path, instance: dg.DagsterInstance, messages: list[Any]) -> None:
    run_id = run(instance, broken)
    tell(instance, run_id, "failed")

    assert isinstance(tell(instance, run_id, "failed"), dg.SkipReason)
    assert len(messages) == 1


def test_pages_that_failed_themselves_are_not_asked_for_again(
    home: Path, instance: dg.DagsterInstance, messages: list[Any]
) -> None:
    assert isinstance(tell(instance, run(instance, broken, job="results"), "failed"), dg.SkipReason)
    assert only_fact(home).status == "failed"


def test_a_webhook_that_fails_stops_nothing(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(message: object) -> None:
        raise WebhookFailed("nobody listens")

    monkeypatch.setattr("tunix_ml.webhook.send_message", fail)

    assert isinstance(tell(instance, run(instance, broken), "failed"), dg.RunRequest)


@pytest.mark.parametrize(
    ("message", "expected", "told"),
    [
        ("ended by hand", "cancelled", 0),
        ("Canceling due to exceeding maximum runtime of 5 seconds.", "timed_out", 1),
    ],
)
def test_a_run_that_was_ended_says_by_whom(
    home: Path, instance: dg.DagsterInstance, messages: list[Any], message: str, expected: str, told: int
) -> None:
    defs = dg.Definitions(assets=[fine])
    created = instance.create_run_for_job(defs.resolve_implicit_global_asset_job_def())
    instance.report_run_canceling(created, message=message)
    instance.report_run_canceled(created)

    tell(instance, created.run_id, "cancelled", dg.DagsterEventType.RUN_CANCELED)

    assert only_fact(home).status == expected
    assert len(messages) == told


class Webhook(BaseHTTPRequestHandler):
    """Takes every message."""

    received: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


def test_the_sensor_itself_posts_a_failure_to_the_webhook(
    home: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def tick(cursor: str | None) -> Any:
        resources = {"store": StoreResource()}
        return SENSORS["run_failed"].evaluate_tick(
            dg.build_sensor_context(instance, cursor, resources=resources)
        )

    with HTTPServer(("127.0.0.1", 0), Webhook) as server, caplog.at_level("DEBUG"):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/secret-token")
        cursor = tick(None).cursor
        run(instance, broken)

        result = tick(cursor)
        server.shutdown()

    (message,) = Webhook.received
    assert (message["asset"], message["partition"]) == ("dataset", "mine-v1")
    assert message["cause"] == "the recipe is not YAML"
    assert message["next_step"]
    assert len(result.run_requests) == 1
    assert "secret-token" not in caplog.text + only_fact(home).to_json().decode()
