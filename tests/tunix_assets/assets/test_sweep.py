"""The asset `sweep`: three trials for real, and the recipe that it writes used as a run configuration."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tunix_assets.definitions import defs
from tunix_ml.contracts.sweep import SweepReport
from tunix_ml.store import Snapshot
from tunix_ml.tuning.trials import read_trials

SPACE = {"num_heads": {"choice": [1, 2, 3]}}


@pytest.fixture(scope="module")
def swept_once(pipeline: Any) -> dg.ExecuteInProcessResult:
    """A sweep over the tokens of the shared pipeline; of its three trials one cannot be trained."""
    train = pipeline.run_config["ops"]["checkpoint"]["config"]
    config = {
        **train,
        "recipe": "swept",
        "space": SPACE,
        "num_trials": 3,
        "first_rung_steps": 3,
        "seeds": [0],
    }
    return execute(pipeline, "sweep", "sweep", {**config, "reduction_factor": 2})


def execute(pipeline: Any, job: str, asset: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        run_config={"ops": {asset: {"config": config}}},
        asset_selection=[dg.AssetKey(asset)],
        partition_key="golden-v1",
        instance=pipeline.instance,
        raise_on_error=False,
    )


def snapshot_of(pipeline: Any) -> Snapshot:
    snapshot: Snapshot = pipeline.store.slot("sweep", "golden-v1").resolve()
    return snapshot


@pytest.mark.slow
def test_its_checks_pass_and_its_metadata_tells_the_trials(
    pipeline: Any, swept_once: dg.ExecuteInProcessResult
) -> None:
    assert swept_once.success
    (event,) = swept_once.asset_materializations_for_node("sweep")
    metadata = {name: value.value for name, value in event.metadata.items()}
    report = SweepReport.read(snapshot_of(pipeline).file("sweep.json"))
    assert report.status_counts == {"complete": 1, "failed": 1, "pruned": 1}
    assert metadata["best_run_id"] == report.best_run_id
    assert metadata["content_digest"] == snapshot_of(pipeline).digest
    assert "| failed |" in str(metadata["trials"])
    assert all(len(str(metadata[name])) < 1_000 for name in ("trials", "history", "importances"))
    found = {one.check_name: one.passed for one in swept_once.get_asset_check_evaluations()}
    assert len(found) == 6
    assert all(found.values()), found


@pytest.mark.slow
def test_the_recipe_it_writes_makes_the_run_of_the_best_trial(
    pipeline: Any, swept_once: dg.ExecuteInProcessResult
) -> None:
    snapshot = snapshot_of(pipeline)
    run_config = yaml.safe_load(snapshot.file("best.yaml").read_text())
    best = read_trials(snapshot)[SweepReport.read(snapshot.file("sweep.json")).best]

    result = execute(pipeline, "train_and_evaluate", "checkpoint", run_config["ops"]["checkpoint"]["config"])

    assert result.success
    (event,) = result.asset_materializations_for_node("checkpoint")
    assert event.metadata["run_id"].value == best.run_id
    assert event.metadata["validation_loss"].value == best.metric
    assert event.metadata["train_time_s"].value == round(best.train_time_s or 0, 1)  # adopted, not trained


@pytest.mark.slow
def test_the_table_is_there_as_json_too(pipeline: Any, swept_once: dg.ExecuteInProcessResult) -> None:
    snapshot = snapshot_of(pipeline)

    rows = json.loads(Path(snapshot.file("trials.json")).read_bytes())

    assert rows == [trial.model_dump(mode="json") for trial in read_trials(snapshot)]


def test_a_field_that_is_none_of_the_recipe_is_refused_by_name(pipeline: Any) -> None:
    result = execute(pipeline, "sweep", "sweep", {"space": {"speed": {"int": [1, 2]}}})

    failure = result.failure_data_for_node("sweep")
    assert failure
    assert failure.user_failure_data
    assert "swept field 'speed' is none of the training recipe" in str(failure.user_failure_data.description)
