"""All checks, by the asset they are about."""

from asset_checks import (
    checkpoint,
    dataset,
    eval_report,
    leaderboard,
    predictions,
    sft_export,
    throughput_benchmark,
    tokenized_examples,
)
from asset_checks.outcome import Check

PARTITIONED_CHECKS: tuple[Check, ...] = (
    *dataset.CHECKS,
    *sft_export.CHECKS,
    *tokenized_examples.CHECKS,
    *checkpoint.CHECKS,
    *predictions.CHECKS,
    *eval_report.CHECKS,
)
UNPARTITIONED_CHECKS: tuple[Check, ...] = (*leaderboard.CHECKS, *throughput_benchmark.CHECKS)


def blocking_checks(asset: str) -> tuple[str, ...]:
    """Return the names of the checks that an asset must have passed before anything is made from it."""
    return tuple(check.name for check in PARTITIONED_CHECKS if check.asset == asset and check.blocking)
