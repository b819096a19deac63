"""The code location: everything Dagster loads."""

import dagster as dg

from asset_checks.binding import bind
from asset_checks.catalog import PARTITIONED_CHECKS, UNPARTITIONED_CHECKS
from tunix_assets.assets.checkpoint import checkpoint
from tunix_assets.assets.dataset import dataset
from tunix_assets.assets.dataset_quality import dataset_quality
from tunix_assets.assets.eval_report import eval_report
from tunix_assets.assets.evaluation_sets import evaluation_sets
from tunix_assets.assets.external_systems import external_systems
from tunix_assets.assets.judge_calibration import judge_calibration
from tunix_assets.assets.judged_eval import judged_eval
from tunix_assets.assets.judged_report import judged_report
from tunix_assets.assets.leaderboard import leaderboard
from tunix_assets.assets.predictions import predictions
from tunix_assets.assets.registered_model import registered_model
from tunix_assets.assets.results_site import results_site
from tunix_assets.assets.run_comparison import run_comparison
from tunix_assets.assets.sft_export import sft_export
from tunix_assets.assets.submission_bundle import submission_bundle
from tunix_assets.assets.sweep import sweep
from tunix_assets.assets.throughput_benchmark import throughput_benchmark
from tunix_assets.assets.tokenized_examples import tokenized_examples
from tunix_assets.automation import keep_up_to_date
from tunix_assets.champion_sensor import champion_changed
from tunix_assets.console import console
from tunix_assets.jobs import JOBS
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.recipe_sensor import changed_recipes
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.schedules import SCHEDULES
from tunix_assets.sensors import SENSORS
from tunix_assets.status_sensors import STATUS_SENSORS

defs = dg.Definitions(
    assets=[
        dataset,
        evaluation_sets,
        dataset_quality,
        sft_export,
        tokenized_examples,
        checkpoint,
        predictions,
        eval_report,
        external_systems,
        judge_calibration,
        judged_eval,
        judged_report,
        leaderboard,
        results_site,
        submission_bundle,
        run_comparison,
        registered_model,
        throughput_benchmark,
        sweep,
    ],
    asset_checks=[
        *bind(PARTITIONED_CHECKS, partitions_def=DATASET_VERSIONS),
        *bind(UNPARTITIONED_CHECKS, partitions_def=None),
    ],
    jobs=JOBS,
    sensors=[*SENSORS, *STATUS_SENSORS, changed_recipes, champion_changed, keep_up_to_date],
    schedules=SCHEDULES,
    resources={
        "store": StoreResource(),
        "worker": WorkerResource(),
    },
    executor=dg.in_process_executor,
    loggers={"console": console},
)
