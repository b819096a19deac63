"""All checks, by the asset they are about."""

from asset_checks import (
    checkpoint,
    dataset,
    dataset_quality,
    eval_report,
    evaluation_sets,
    external_systems,
    judge_calibration,
    judged_eval,
    judged_report,
    leaderboard,
    predictions,
    registered_model,
    results_site,
    run_comparison,
    sft_export,
    submission_bundle,
    sweep,
    throughput_benchmark,
    tokenized_examples,
)
from asset_checks.outcome import Check

PARTITIONED_CHECKS: tuple[Check, ...] = (
    *dataset.CHECKS,
    *dataset_quality.CHECKS,
    *sft_export.CHECKS,
    *tokenized_examples.CHECKS,
    *checkpoint.CHECKS,
    *predictions.CHECKS,
    *eval_report.CHECKS,
    *judged_eval.CHECKS,
    *judged_report.CHECKS,
    *submission_bundle.CHECKS,
    *sweep.CHECKS,
)
UNPARTITIONED_CHECKS: tuple[Check, ...] = (
    *evaluation_sets.CHECKS,
    *external_systems.CHECKS,
    *judge_calibration.CHECKS,
    *leaderboard.CHECKS,
    *results_site.CHECKS,
    *run_comparison.CHECKS,
    *registered_model.CHECKS,
    *throughput_benchmark.CHECKS,
)


def blocking_checks(asset: str) -> tuple[str, ...]:
    """Return the names of the checks that an asset must have passed before anything is made from it."""
    checks = (*PARTITIONED_CHECKS, *UNPARTITIONED_CHECKS)
    return tuple(check.name for check in checks if check.asset == asset and check.blocking)
