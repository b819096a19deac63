"""The named jobs; runs started by them stand on the timeline under these names."""

from collections.abc import Iterator

import dagster as dg

from asset_checks.binding import run_checks
from asset_checks.catalog import PARTITIONED_CHECKS
from tunix_assets.partitions import DATASET_VERSIONS

_HOUR_S = 3600
_MINUTES = {"dagster/max_runtime": str(_HOUR_S)}  # the daemon ends a run that takes longer
_HOURS = {"dagster/max_runtime": str(24 * _HOUR_S)}

build_dataset = dg.define_asset_job(
    "build_dataset",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("dataset"),
    description="Build and check one dataset version.",
)
check_dataset = dg.define_asset_job(
    "check_dataset",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("dataset_quality"),
    description="Judge one dataset version that has been built.",
)
train_and_evaluate = dg.define_asset_job(
    "train_and_evaluate",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("results_site").upstream() - dg.AssetSelection.assets("dataset"),
    description="Export, tokenize, train, predict, score and rank one dataset version that has been built.",
)
pipeline = dg.define_asset_job(
    "pipeline",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("results_site").upstream(),
    description="The whole way, from a recipe to a ranked row and its pages.",
)
# What configs/smoke.yaml says, for those who start the job in the UI; the command line knows no defaults.
_SMOKE = {
    "checkpoint": {
        "config": {
            "recipe": "smoke",
            "num_train_steps": 10,
            "batch_size": 2,
            "warmup_steps": 2,
            "save_every_steps": 5,
            "eval_every_steps": 5,
            "log_every_steps": 1,
        }
    },
    "predictions": {"config": {"evaluation_sets": ["test", "eval-v1"], "max_new_tokens": 32}},
}
smoke = dg.define_asset_job(
    "smoke",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("registered_model").upstream(),
    config={"ops": _SMOKE},
    description="The whole way in ten steps, from a recipe to a registered model, for golden-v1.",
)
single_session = dg.define_asset_job(
    "single_session",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("submission_bundle").upstream(),
    description="From a recipe to a scored model in one archive, within a time: configs/single_session.yaml.",
)
results = dg.define_asset_job(
    "results",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("leaderboard", "results_site"),
    description="Rank what is there again, and write its pages.",
)
compare = dg.define_asset_job(
    "compare",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("run_comparison"),
    description="Hold two runs side by side.",
)
registry = dg.define_asset_job(
    "registry",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("registered_model"),
    description="Promote the best run, or decide otherwise about a model.",
)
external = dg.define_asset_job(
    "external",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("evaluation_sets", "external_systems"),
    description="Bring in predictions that were made elsewhere, and score them.",
)
calibrate_judge = dg.define_asset_job(
    "calibrate_judge",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("judge_calibration"),
    description="Measure how far a judge can be believed.",
)
judge = dg.define_asset_job(
    "judge",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("judged_eval", "judged_report"),
    description="Ask a judge about every text of the run of a dataset version, and score its verdicts.",
)
benchmark = dg.define_asset_job(
    "benchmark",
    tags=_MINUTES,
    selection=dg.AssetSelection.assets("throughput_benchmark"),
    description="Time training and decoding on this machine.",
)
run_sweep = dg.define_asset_job(
    "run_sweep",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("sweep").upstream(),
    description="Search for a better training recipe on one dataset version.",
)


@dg.op(out={}, required_resource_keys={"store"})
def run_all_checks(context: dg.OpExecutionContext) -> Iterator[dg.AssetCheckEvaluation]:
    """Run every check on what is there for the partition; fail if one that blocks does not hold."""
    yield from run_checks(context, PARTITIONED_CHECKS)


@dg.job(partitions_def=DATASET_VERSIONS, tags=_MINUTES)
def validate_only() -> None:
    """Check again what is there for one dataset version, and make nothing."""
    run_all_checks()


nightly = dg.define_asset_job(
    "nightly",
    tags=_HOURS,
    selection=dg.AssetSelection.assets("results_site", "dataset_quality").upstream(),
    description="What the schedule of the night makes: the whole way, with the quality of the dataset.",
)


@dg.op(required_resource_keys={"store"})
def verify_digests(context: dg.OpExecutionContext) -> None:
    """Compare every published file with its digest; fail if one is missing, changed or a stranger."""
    problems = context.resources.store.store().verify()
    for problem in problems:
        context.log.error(problem)
    if problems:
        more = f"; and {len(problems) - 3} more, see the log" if len(problems) > 3 else ""
        raise dg.Failure(description="; ".join(problems[:3]) + more, allow_retries=False)


@dg.job(tags=_HOURS)
def verify() -> None:
    """Compare every file of every artifact with the digest it was published under, and make nothing."""
    verify_digests()


JOBS = (
    build_dataset,
    check_dataset,
    train_and_evaluate,
    pipeline,
    smoke,
    single_session,
    results,
    compare,
    registry,
    external,
    calibrate_judge,
    judge,
    benchmark,
    run_sweep,
    validate_only,
    nightly,
    verify,
)
