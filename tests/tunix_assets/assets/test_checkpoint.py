"""The asset `checkpoint`."""

from typing import Any

import dagster as dg
import pytest

from tunix_assets.definitions import defs
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity


def test_the_run_is_named_after_its_identity(pipeline: Any) -> None:
    run_id = str(pipeline.metadata("checkpoint")["run_id"])

    identity = RunIdentity.read(pipeline.store.run(run_id).path / "config.json")

    assert run_id == identity.run_id()
    assert run_id.startswith("golden-v1.smoke.")


def test_its_metadata_shows_a_curve_and_the_losses(pipeline: Any) -> None:
    metadata = pipeline.metadata("checkpoint")
    record = CheckpointRecord.read(pipeline.store.run(str(metadata["run_id"])).path / "checkpoint.json")

    assert "data:image/svg+xml" in str(metadata["loss_curve"])
    assert metadata["validation_loss"] == record.validation_loss
    assert metadata["model_digest"] == record.model_digest


def test_the_same_identity_again_adopts_the_finished_run(pipeline: Any) -> None:
    config = dict(_train_config(pipeline))

    result = _train(pipeline, config)

    assert result.success
    materialization = result.asset_materializations_for_node("checkpoint")[0]
    assert materialization.metadata["run_id"].value == pipeline.metadata("checkpoint")["run_id"]
    assert materialization.metadata["train_time_s"].value == pipeline.metadata("checkpoint")["train_time_s"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "tpu"}, "device 'tpu' is not present; this machine has: cpu"),
        ({"num_heads": 5}, "num_heads 5 does not divide hidden_size 32"),
        ({"resume_from": "yesterday"}, "yesterday"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    pipeline: Any, change: dict[str, Any], sentence: str
) -> None:
    result = _train(pipeline, {**_train_config(pipeline), **change})

    failure = result.failure_data_for_node("checkpoint")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert sentence in str(failure.user_failure_data.description)


def _train_config(pipeline: Any) -> dict[str, Any]:
    config: dict[str, Any] = pipeline.run_config["ops"]["checkpoint"]["config"]
    return config


def _train(pipeline: Any, config: dict[str, Any]) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("pipeline").execute_in_process(
        run_config={"ops": {"checkpoint": {"config": config}}},
        asset_selection=[dg.AssetKey("checkpoint")],
        partition_key="golden-v1",
        instance=pipeline.instance,
        raise_on_error=False,
    )
