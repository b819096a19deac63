"""One real run of the whole pipeline, small and shared by the tests that look at its results."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_ml.store import Store

VERSION = "golden-v1"
RUN_CONFIG: dict[str, Any] = {
    "ops": {
        "tokenized_examples": {"config": {"vocab_size": 320, "seq_len": 192}},
        "checkpoint": {
            "config": {
                "recipe": "smoke",
                "num_layers": 1,
                "hidden_size": 32,
                "num_heads": 2,
                "intermediate_size": 64,
                "num_train_steps": 6,
                "warmup_steps": 2,
                "batch_size": 4,
                "log_every_steps": 1,
                "save_every_steps": 3,
                "eval_every_steps": 3,
            }
        },
        "predictions": {"config": {"evaluation_sets": ["test", "eval-v1"], "max_new_tokens": 8}},
    }
}


@dataclass(frozen=True)
class Materialized:
    """A finished run of the job `pipeline`, and where it put things."""

    result: dg.ExecuteInProcessResult
    store: Store
    instance: dg.DagsterInstance
    run_config: dict[str, Any]

    def metadata(self, asset: str) -> dict[str, object]:
        """Return the metadata values of an asset's materialization."""
        (event,) = self.result.asset_materializations_for_node(asset)
        return {name: value.value for name, value in event.metadata.items()}

    def check(self, asset: str, name: str) -> dg.AssetCheckEvaluation:
        """Return the evaluation of one check."""
        found = [
            check
            for check in self.result.get_asset_check_evaluations()
            if check.asset_key == dg.AssetKey(asset) and check.check_name == name
        ]
        (evaluation,) = found
        return evaluation


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Materialized]:
    """Run the job `pipeline` for golden-v1 with a tiny model, asked its test split and eval-v1."""
    home: Path = tmp_path_factory.mktemp("pipeline") / "home"
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("TUNIX_HOME", str(home))
        result = defs.resolve_job_def("pipeline").execute_in_process(
            run_config=RUN_CONFIG, partition_key=VERSION, instance=instance
        )
        yield Materialized(result, Store(home), instance, RUN_CONFIG)


@pytest.fixture
def pipeline_copy(pipeline: Materialized, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the home that `pipeline` filled, set in the environment."""
    home = tmp_path / "home"
    shutil.copytree(pipeline.store.home, home)
    monkeypatch.setenv("TUNIX_HOME", str(home))
    return home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, set in the environment."""
    home = tmp_path / "home"
    monkeypatch.setenv("TUNIX_HOME", str(home))
    return home
