from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.cli.launch import JobFailed, instance_home, open_instance, run_job
from tunix_ml.store import Store


@pytest.fixture(autouse=True)
def no_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def with_instance(home: Path) -> Path:
    (home / "dagster").mkdir(parents=True)
    # Dagster's own keeper of what a step prints takes the very streams that pytest takes.
    keeper = "{module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}"
    (home / "dagster" / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\ncompute_logs: {keeper}\n")
    return home / "dagster"


def test_the_instance_is_the_one_named_or_that_beside_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert instance_home(tmp_path) is None
    beside = with_instance(tmp_path)
    assert instance_home(tmp_path) == beside
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    assert instance_home(tmp_path) == Path("/elsewhere")


def test_without_an_instance_there_is_an_ephemeral_one_or_none(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        assert instance.is_ephemeral
    with open_instance(tmp_path, or_ephemeral=False) as instance:
        assert instance is None


def test_a_failed_job_is_its_first_failure_in_a_sentence_and_stands_on_the_timeline(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNIX_HOME", "/before")
    with_instance(store.home)

    with pytest.raises(JobFailed, match="`evaluation_set` is needed to tell which board is meant"):
        run_job(store, "registry", {"registered_model": {}})

    with open_instance(store.home) as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.status) == ("registry", dg.DagsterRunStatus.FAILURE)
    import os

    assert os.environ["TUNIX_HOME"] == "/before"
    assert capsys.readouterr().out == ""


def test_an_error_that_nobody_foresaw_keeps_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNIX_HOME", raising=False)
    monkeypatch.setattr("tunix_ml.registry.record.registered_names", lambda store: 1 / 0)

    with pytest.raises(JobFailed, match="ZeroDivisionError"):
        run_job(store, "registry", {"registered_model": {"evaluation_set": "a"}})
