"""The named jobs; runs started by them stand on the timeline under these names."""

import dagster as dg

from asset_checks.binding import run_checks
from asset_checks.catalog import PARTITIONED_CHECKS
from tunix_assets.partitions import DATASET_VERSIONS

build_dataset = dg.define_asset_job(
    "build_dataset",
    selection=dg.AssetSelection.assets("dataset"),
    description="Build and check one dataset version.",
)
train_and_evaluate = dg.define_asset_job(
    "train_and_evaluate",
    selection=dg.AssetSelection.assets("dataset").downstream(include_self=False),
    description="Export, tokenize, train, predict, score and rank one dataset version that has been built.",
)
pipeline = dg.define_asset_job(
    "pipeline",
    selection=dg.AssetSelection.assets("leaderboard").upstream(),
    description="The whole way, from a recipe to a ranked row.",
)
benchmark = dg.define_asset_job(
    "benchmark",
    selection=dg.AssetSelection.assets("throughput_benchmark"),
    description="Time training and decoding on this machine.",
)


@dg.op(required_resource_keys={"store"})
def run_all_checks(context: dg.OpExecutionContext) -> None:
    """Run every check on what is there for the partition; fail if one that blocks does not hold."""
    run_checks(context, PARTITIONED_CHECKS)


@dg.job(partitions_def=DATASET_VERSIONS)
def validate_only() -> None:
    """Check again what is there for one dataset version, and make nothing."""
    run_all_checks()


JOBS = (build_dataset, train_and_evaluate, pipeline, benchmark, validate_only)
