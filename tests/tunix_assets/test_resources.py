"""The store and the worker processes as Dagster resources."""

from pathlib import Path

import dagster as dg
import pytest

from tunix_assets.resources import StoreResource, WorkerResource


def test_the_store_is_at_tunix_home(home: Path) -> None:
    assert StoreResource().store().home == home


def test_without_tunix_home_the_store_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TUNIX_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    assert StoreResource().store().home == tmp_path / ".tunix"


def run_worker(module: str, job: dict[str, object]) -> dg.ExecuteInProcessResult:
    @dg.asset
    def work(context: dg.AssetExecutionContext, worker: WorkerResource) -> None:
        worker.run(context, module, job)

    return dg.materialize([work], resources={"worker": WorkerResource()}, raise_on_error=False)


def test_a_workers_last_word_is_the_failures_description() -> None:
    result = run_worker("tunix_ml.training", {"nonsense": 1})

    failure = result.failure_data_for_node("work")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "nonsense" in str(failure.user_failure_data.description)


def test_a_worker_that_cannot_even_start_fails_too() -> None:
    result = run_worker("tunix_ml.no_such_module", {})

    assert not result.success
