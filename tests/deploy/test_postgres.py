"""Dagster as deploy/ runs it: history in PostgreSQL, and code server, daemon and web server apart."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.datasets.read import Dataset
from tunix_ml.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } } }"


@pytest.fixture
def launch(services: Any) -> Callable[[str], str]:
    """A function that asks the web server to build a dataset version, and returns the Dagster run's id."""

    def launch_run(version: str) -> str:
        selector = {
            "repositoryLocationName": "tunix_assets.definitions",
            "repositoryName": "__repository__",
            "jobName": "build_dataset",
        }
        tags = [{"key": "dagster/partition", "value": version}]
        params = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
        answer = services.ask(LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    return launch_run


@pytest.fixture
def status(services: Any) -> Callable[[str], str]:
    """A function that returns the status of a Dagster run, as the web server has it."""

    def status_of(run_id: str) -> str:
        return str(services.ask(STATUS, id=run_id)["runOrError"]["status"])

    return status_of


@pytest.fixture
def wait(status: Callable[[str], str]) -> Callable[[str], None]:
    """A function that waits for the end of a Dagster run."""

    def wait_for(run_id: str) -> None:
        deadline = time.monotonic() + 300
        while status(run_id) not in {"SUCCESS", "FAILURE", "CANCELED"}:
            assert time.monotonic() < deadline, f"{run_id} is {status(run_id)}"
            time.sleep(1)

    return wait_for


def test_a_run_asked_for_in_the_web_server_is_run_by_the_code_server_and_kept_in_postgresql(
    services: Any, postgres: Any, launch: Any, status: Any, wait: Any
) -> None:
    run_id = launch("golden-v1")
    wait(run_id)

    assert status(run_id) == "SUCCESS", services.output("code")
    assert postgres.query(f"SELECT status FROM runs WHERE run_id = '{run_id}'") == ["SUCCESS"]
    kinds = "'ASSET_MATERIALIZATION', 'ASSET_CHECK_EVALUATION'"
    (events,) = postgres.query(
        f"SELECT count(DISTINCT dagster_event_type) FROM event_logs"
        f" WHERE run_id = '{run_id}' AND dagster_event_type IN ({kinds})"
    )
    assert events == "2"
    dataset = Store(services.home).slot("dataset", "golden-v1").resolve()
    assert dataset.verify() == []
    assert Dataset(dataset).manifest.trace_count > 0
    # What the run printed lies where the web server reads it, and nothing was written beside the settings.
    assert list((services.home / "logs").rglob(f"*{run_id}*"))
    assert [path.name for path in Path(services.instance).iterdir()] == ["dagster.yaml"]


def test_a_run_asked_for_while_no_daemon_is_there_waits_for_one(
    services: Any, launch: Any, status: Any, wait: Any
) -> None:
    services.stop("daemon")
    run_id = launch("golden-v1")

    assert status(run_id) == "QUEUED"

    services.start("daemon")
    wait(run_id)
    assert status(run_id) == "SUCCESS", services.output("code")


def test_the_schema_of_the_database_is_that_of_the_installed_dagster(services: Any, postgres: Any) -> None:
    (version,) = postgres.query("SELECT version_num FROM alembic_version")
    tables = set(postgres.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))

    assert version
    assert {
        "runs",
        "event_logs",
        "asset_keys",
        "asset_check_executions",
        "dynamic_partitions",
        "jobs",
    } <= tables
