"""The named jobs."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tunix_assets import jobs
from tunix_assets.definitions import defs

ROOT = Path(__file__).parents[2]

CHAIN = ["dataset", "sft_export", "tokenized_examples", "checkpoint", "predictions", "eval_report"]
BESIDE = ["evaluation_sets", "external_systems"]


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        ("build_dataset", {"dataset"}),
        ("check_dataset", {"dataset_quality"}),
        ("train_and_evaluate", {*CHAIN[1:], *BESIDE, "leaderboard", "results_site"}),
        ("pipeline", {*CHAIN, *BESIDE, "leaderboard", "results_site"}),
        ("smoke", {*CHAIN, *BESIDE, "leaderboard", "registered_model"}),
        ("single_session", {*CHAIN, "evaluation_sets", "submission_bundle"}),
        ("results", {"leaderboard", "results_site"}),
        ("compare", {"run_comparison"}),
        ("registry", {"registered_model"}),
        ("external", set(BESIDE)),
        ("calibrate_judge", {"judge_calibration"}),
        ("judge", {"judged_eval", "judged_report"}),
        ("benchmark", {"throughput_benchmark"}),
        ("run_sweep", {"dataset", "sft_export", "tokenized_examples", "sweep"}),
        ("validate_only", set()),
        ("nightly", {*CHAIN, *BESIDE, "dataset_quality", "leaderboard", "results_site"}),
        ("verify", set()),
    ],
)
def test_a_job_makes_these_assets_and_no_other(job: str, assets: set[str]) -> None:
    layer = defs.resolve_job_def(job).asset_layer

    assert {key.to_user_string() for key in layer.executable_asset_keys} == assets


def test_the_pipeline_ends_well_and_every_check_holds(pipeline: Any) -> None:
    failed = [
        check.check_name
        for check in pipeline.result.get_asset_check_evaluations()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]

    assert pipeline.result.success
    assert failed == []


def test_validate_only_checks_what_is_there_again_and_reports_it(pipeline: Any) -> None:
    result = defs.resolve_job_def("validate_only").execute_in_process(
        partition_key="golden-v1", instance=pipeline.instance
    )

    records = pipeline.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("dataset"), "counts_agree"), limit=5
    )
    assert result.success
    assert len(records) >= 2


def test_validate_only_of_what_was_never_made_fails_in_a_sentence(home: Any) -> None:
    result = defs.resolve_job_def("validate_only").execute_in_process(
        partition_key="golden-v2", raise_on_error=False
    )

    failure = result.failure_data_for_node("run_all_checks")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == "golden-v2: nothing of it is published"


def test_verify_passes_over_an_undamaged_store_and_names_a_damage(pipeline_copy: Path) -> None:
    job = defs.resolve_job_def("verify")
    assert job.execute_in_process().success
    damaged = next(pipeline_copy.glob("lake/dataset/golden-v1/*/manifest.json"))
    damaged.write_text("{}")

    result = job.execute_in_process(raise_on_error=False)

    failure = result.failure_data_for_node("verify_digests")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert str(damaged) in str(failure.user_failure_data.description)


def test_every_job_ends_after_some_time() -> None:
    without = [job.name for job in jobs.JOBS if "dagster/max_runtime" not in (job.tags or {})]

    assert without == []


def test_the_job_smoke_is_what_its_configuration_file_says() -> None:
    written = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text(encoding="utf-8"))

    assert written["ops"] == jobs._SMOKE
