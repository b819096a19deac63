"""The asset `throughput_benchmark`."""

import dagster as dg

from tunix_assets.inputs import clear_failures
from tunix_assets.metadata import curve, inline_table
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.benchmark.publish import ASSET, CODE_PARTS, KEY, PLOT_FILE, REPORT_FILE, rows_of
from tunix_ml.contracts.benchmark import BenchmarkConfig, BenchmarkReport
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot


class ThroughputBenchmarkConfig(BenchmarkConfig, dg.Config):
    """The run configuration of `throughput_benchmark`."""


@dg.asset(
    group_name="results",
    code_version=source_digest(*CODE_PARTS),
    kinds={"jax"},
    pool="accelerator",
    retry_policy=RETRIES,
)
def throughput_benchmark(
    context: dg.AssetExecutionContext,
    config: ThroughputBenchmarkConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """How fast this machine trains and decodes, in tokens per second and as a share of what it could do.

    A model with random parameters and random tokens, so no dataset is needed. Where torch is installed,
    transformers + torch does the same work in turns with it. It is made by hand, by the job `benchmark`, and
    is no part of the pipeline; each benchmark keeps a line for every one before it.
    """
    asked = BenchmarkConfig.model_validate(
        {name: getattr(config, name) for name in BenchmarkConfig.model_fields}
    )
    with clear_failures():
        home = store.store().home
        worker.run(
            context, "tunix_ml.benchmark", {"home": str(home), "config": asked.model_dump(mode="json")}
        )
        return _describe(store.store().slot(ASSET, KEY).resolve())


def _describe(snapshot: Snapshot) -> dg.MaterializeResult[None]:
    report = BenchmarkReport.read(snapshot.file(REPORT_FILE))
    train, decode = report.train, report.decode
    columns, *rows = rows_of(report)
    ratios = {
        f"{kind}_ratio": getattr(peer, f"{kind}_ratio")
        for peer in report.peers
        for kind in ("train", "decode")
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "benchmark": inline_table(columns, rows),
            "step_times": curve([1e3 * seconds for seconds in train.step_times_s], title="ms of each step"),
            "steps_per_second": train.steps_per_second,
            "examples_per_second": train.examples_per_second,
            "tokens_per_second": train.tokens_per_second,
            "real_tokens_per_second": train.real_tokens_per_second,
            "compile_time_s": train.compile_time_s,
            "utilisation": report.utilisation,
            "ceiling_gflops": report.ceiling.flops_per_second / 1e9,
            "flops_per_token": report.flops_per_token,
            "peak_memory_mib": train.peak_memory_bytes / 2**20,
            "decoded_tokens_per_second": decode.new_tokens_per_second,
            **ratios,
            "parameters": report.num_params,
            "device": report.device,
            "plot": dg.MetadataValue.path(snapshot.path / PLOT_FILE),
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )
