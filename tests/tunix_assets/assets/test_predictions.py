"""The asset `predictions`."""

from pathlib import Path
from typing import Any

import dagster as dg

from asset_checks.subject import combined_digest
from tunix_assets.definitions import defs
from tunix_ml.audits import record_audit
from tunix_ml.datasets.evaluation_set import evaluation_set_slot
from tunix_ml.evaluation.report import predictions_slot, read_predictions
from tunix_ml.store import Store


def test_each_question_of_each_set_is_asked_once(pipeline: Any) -> None:
    metadata = pipeline.metadata("predictions")
    run = pipeline.store.run(str(metadata["run_id"]))

    names = ("golden-v1.test", "eval-v1")
    written = {name: read_predictions(predictions_slot(run, name)) for name in names}

    rows = {name: found.rows for name, found in written.items()}
    assert len(rows["eval-v1"]) == 25
    assert (
        metadata["items"]
        == sum(map(len, rows.values()))
        == sum(len(set(map(item_of, found))) for found in rows.values())
    )
    assert metadata["cut_at_max_new_tokens"] == sum(found.meta.num_length_stops for found in written.values())
    assert {found.meta.model_digest for found in written.values()} == {
        pipeline.metadata("checkpoint")["model_digest"]
    }


def item_of(row: Any) -> str:
    return str(row.item_id)


def test_its_metadata_names_the_content_of_each_set(pipeline: Any) -> None:
    metadata = pipeline.metadata("predictions")
    run = pipeline.store.run(str(metadata["run_id"]))

    digests = {name: predictions_slot(run, name).resolve().digest for name in ("golden-v1.test", "eval-v1")}

    assert metadata["content_digests"] == digests
    assert metadata["content_digest"] == combined_digest(digests)


def ask_again(home: Path, name: str) -> str:
    """Ask the model of a home again, and return why that failed."""
    result = defs.resolve_job_def("pipeline").execute_in_process(
        asset_selection=[dg.AssetKey("predictions")],
        run_config={"ops": {"predictions": {"config": {"evaluation_sets": [name], "max_new_tokens": 8}}}},
        partition_key="golden-v1",
        raise_on_error=False,
    )
    failure = result.failure_data_for_node("predictions")
    assert failure is not None
    return str(failure.user_failure_data.description if failure.user_failure_data else failure.error)


def test_a_set_that_there_is_not_fails_it_naming_those_there_are(pipeline_copy: Path) -> None:
    reason = ask_again(pipeline_copy, "eval-v9")

    assert reason.startswith("no evaluation set 'eval-v9', there are: test, ")
    assert "eval-v1, eval-v2" in reason


def test_a_set_that_failed_a_blocking_check_is_not_asked(pipeline_copy: Path) -> None:
    slot = evaluation_set_slot(Store(pipeline_copy), "eval-v2")
    digest = slot.resolve().digest
    record_audit(slot, digest, check="item_ids_are_unique", passed=False, description="two are equal")

    assert "failed the check 'item_ids_are_unique': two are equal" in ask_again(pipeline_copy, "eval-v2")
