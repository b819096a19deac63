"""The named jobs; runs started by them stand on the timeline under these names."""

import dagster as dg

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
    selection=dg.AssetSelection.all(),
    description="The whole way, from a recipe to a ranked row.",
)
validate_only = dg.define_asset_job(
    "validate_only",
    selection=dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks_for_assets("leaderboard"),
    description="Check again what is there for one dataset version, and make nothing.",
)

JOBS = (build_dataset, train_and_evaluate, pipeline, validate_only)
