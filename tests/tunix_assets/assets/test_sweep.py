"""The asset `sweep`: three trials for real, and the recipe that it writes used as a run configuration."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tunix_assets.definitions import defs
from tunix_ml.contracts.sweep import SweepReport
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.tuning.trials import read_trials

SPACE = {"num_heads": {"choice": [1, 2, 3]}}


@dataclass(frozen=True)
class Place:
    """A copy of what the shared pipeline has published, and a Dagster instance of its own."""

    store: Store
    instance: dg.DagsterInstance

    def execute(self, job: str, asset: str, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(
            run_config={"ops": {asset: {"config": config}}},
            asset_selection=[dg.AssetKey(asset)],
            partition_key="golden-v1",
            instance=self.instance,
            raise_on_error=False,
        )

    def snapshot(self) -> Snapshot:
        return self.store.slot("sweep", "golden-v1").resolve()


@pytest.fixture(scope="module")
def place(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("sweep") / "home"
    shutil.copytree(pipeline.store.home, home)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("TUNIX_HOME", str(home))
        yield Place(Store(home), instance)


@pytest.fixture(scope="module")
def swept_once(pipeline: Any, place: Place) -> dg.ExecuteInProcessResult:
    """A sweep over the tokens of the pipeline; of its three trials one cannot be trained."""
    train = pipeline.run_config["ops"]["checkpoint"]["config"]
    rungs = {"first_rung_steps": 3, "reduction_factor": 2}
    config = {**train, "recipe": "swept", "space": SPACE, "num_trials": 3, "seeds": [0], **rungs}
    return place.execute("run_sweep", "sweep", config)


@pytest.mark.slow
@pytest.mark.nightly
def test_its_checks_pass_and_its_metadata_tells_the_trials(
    place: Place, swept_once: dg.ExecuteInProcessResult
) -> None:
    assert swept_once.success
    (event,) = swept_once.asset_materializations_for_node("sweep")
    metadata = {name: value.value for name, value in event.metadata.items()}
    report = SweepReport.read(place.snapshot().file("sweep.json"))
    assert report.status_counts == {"complete": 1, "failed": 1, "pruned": 1}
    assert metadata["best_run_id"] == report.best_run_id
    assert metadata["content_digest"] == place.snapshot().digest
    assert "| failed |" in str(metadata["trials"])
    assert all(len(str(metadata[name])) < 1_000 for name in ("trials", "history", "importances"))
    found = {one.check_name: one.passed for one in swept_once.get_asset_check_evaluations()}
    assert len(found) == 6
    assert all(found.values()), found


@pytest.mark.slow
@pytest.mark.nightly
def test_the_recipe_it_writes_makes_the_run_of_the_best_trial(
    place: Place, swept_once: dg.ExecuteInProcessResult
) -> None:
    snapshot = place.snapshot()
    run_config = yaml.safe_load(snapshot.file("best.yaml").read_text())
    best = read_trials(snapshot)[SweepReport.read(snapshot.file("sweep.json")).best]

    result = place.execute("train_and_evaluate", "checkpoint", run_config["ops"]["checkpoint"]["config"])

    assert result.success
    (event,) = result.asset_materializations_for_node("checkpoint")
    assert event.metadata["run_id"].value == best.run_id
    assert event.metadata["validation_loss"].value == best.metric
    assert event.metadata["train_time_s"].value == round(best.train_time_s or 0, 1)  # adopted, not trained


@pytest.mark.slow
@pytest.mark.nightly
def test_the_table_is_there_as_json_too(place: Place, swept_once: dg.ExecuteInProcessResult) -> None:
    snapshot = place.snapshot()

    rows = json.loads(Path(snapshot.file("trials.json")).read_bytes())

    assert rows == [trial.model_dump(mode="json") for trial in read_trials(snapshot)]


def test_a_field_that_is_none_of_the_recipe_is_refused_by_name(place: Place) -> None:
    result = place.execute("run_sweep", "sweep", {"space": {"speed": {"int": [1, 2]}}})

    failure = result.failure_data_for_node("sweep")
    assert failure
    assert failure.user_failure_data
    assert "swept field 'speed' is none of the training recipe" in str(failure.user_failure_data.description)
