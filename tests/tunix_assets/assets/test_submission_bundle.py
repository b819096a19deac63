"""The asset `submission_bundle`."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg

from asset_checks.binding import bind
from asset_checks.submission_bundle import CHECKS
from tunix_assets.assets.submission_bundle import submission_bundle
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource
from tunix_ml.registry.bundle_reader import verify_bundle


def materialize() -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [submission_bundle, *bind(CHECKS, partitions_def=DATASET_VERSIONS)],
        partition_key="golden-v1",
        resources={"store": StoreResource()},
        raise_on_error=False,
    )


def test_the_archive_of_a_real_run_passes_its_checks_and_tells_its_score(pipeline_copy: Path) -> None:
    result = materialize()

    assert result.success
    assert [check.passed for check in result.get_asset_check_evaluations()] == [True, True, True]
    (event,) = result.asset_materializations_for_node("submission_bundle")
    metadata: dict[str, Any] = {name: value.value for name, value in event.metadata.items()}
    evidence = verify_bundle(Path(str(metadata["bundle"])))
    assert metadata["score"] == evidence.summary.score
    assert set(evidence.manifest.evaluation_sets) == {"golden-v1.test", "eval-v1"}
    assert evidence.summary.evaluation_set == "golden-v1.test"


def test_reports_that_were_not_checked_are_refused_in_a_sentence(pipeline_copy: Path) -> None:
    for audits in pipeline_copy.glob("runs/*/eval/*/audits"):
        shutil.rmtree(audits)

    failure = materialize().failure_data_for_node("submission_bundle")

    assert failure is not None
    assert failure.user_failure_data is not None
    assert "has not been through the check" in str(failure.user_failure_data.description)
