"""The code location: everything Dagster loads."""

import dagster as dg

from asset_checks.binding import bind
from asset_checks.catalog import PARTITIONED_CHECKS, UNPARTITIONED_CHECKS
from tunix_assets.assets.checkpoint import checkpoint
from tunix_assets.assets.dataset import dataset
from tunix_assets.assets.eval_report import eval_report
from tunix_assets.assets.leaderboard import leaderboard
from tunix_assets.assets.predictions import predictions
from tunix_assets.assets.sft_export import sft_export
from tunix_assets.assets.throughput_benchmark import throughput_benchmark
from tunix_assets.assets.tokenized_examples import tokenized_examples
from tunix_assets.console import console
from tunix_assets.jobs import JOBS
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.sensors import SENSORS

defs = dg.Definitions(
    assets=[
        dataset,
        sft_export,
        tokenized_examples,
        checkpoint,
        predictions,
        eval_report,
        leaderboard,
        throughput_benchmark,
    ],
    asset_checks=[
        *bind(PARTITIONED_CHECKS, partitions_def=DATASET_VERSIONS),
        *bind(UNPARTITIONED_CHECKS, partitions_def=None),
    ],
    jobs=JOBS,
    sensors=SENSORS,
    resources={
        "store": StoreResource(),
        "worker": WorkerResource(),
    },
    executor=dg.in_process_executor,
    loggers={"console": console},
)
