"""The asset `sweep`."""

from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from tunix_assets.inputs import audited_input, clear_failures, require_audited_sets
from tunix_assets.metadata import column_schema, curve, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.sweep import TRIALS_SCHEMA, SweepIdentity, SweepReport, SweepSpec
from tunix_ml.contracts.training import ExecutionConfig, TrainConfig
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot
from tunix_ml.training.identify import identify
from tunix_ml.tuning.trials import read_trials

Part = TypeVar("Part", bound=BaseModel)


class SweepConfig(SweepSpec, TrainConfig, ExecutionConfig, dg.Config):
    """The run configuration of `sweep`: what is searched, in which recipe, and how trials are executed."""


@dg.asset(
    deps=["tokenized_examples"],
    group_name="tuning",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest("contracts", "exports", "modeling", "training", "tuning"),
    kinds={"jax"},
    pool="accelerator",
    retry_policy=RETRIES,
    metadata=column_schema(TRIALS_SCHEMA),
)
def sweep(
    context: dg.AssetExecutionContext,
    config: SweepConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> dg.MaterializeResult[None]:
    """A search for a better recipe on one dataset version: some are tried, the worse ones are ended early.

    Each trial is an ordinary run. The best one is published as a run configuration that `checkpoint` takes,
    trained again with other seeds to show how far its metric can be believed. The same sweep again goes on
    from where it was interrupted. It is made by hand, by the job `run_sweep`.
    """
    with clear_failures():
        tokens = audited_input(context, store.store(), "tokenized_examples").snapshot
        require_audited_sets(store.store(), [config.evaluation_set])
        identity = SweepIdentity(
            base=identify(tokens, _part(config, TrainConfig)), spec=_part(config, SweepSpec)
        )
        job = {
            "home": str(store.store().home),
            "identity": identity.model_dump(mode="json"),
            "execution": _part(config, ExecutionConfig).model_dump(mode="json"),
        }
        worker.run(context, "tunix_ml.tuning.sweep_worker", job)
        return _describe(store.store().slot("sweep", context.partition_key).resolve())


def _part(config: SweepConfig, part: type[Part]) -> Part:
    return part.model_validate({name: getattr(config, name) for name in part.model_fields})


def _describe(snapshot: Snapshot) -> dg.MaterializeResult[None]:
    report = SweepReport.read(snapshot.file("sweep.json"))
    trials = read_trials(snapshot)
    rows = [
        (trial.number, trial.status, trial.step, _shown(trial.metric), *map(_shown, trial.values.values()))
        for trial in trials
        if trial.kind == "search"
    ]
    values = [trial.rungs[0].value for trial in trials if trial.kind == "search" and trial.rungs]
    shares = [(field, f"{share:.2f}") for field, share in report.importances.items()]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(snapshot.digest),
        metadata={
            "best": f"trial {report.best}, {report.metric} {report.best_metric:.4f}",
            "best_metric": report.best_metric,
            "best_run_id": report.best_run_id,
            "best_recipe": dg.MetadataValue.path(snapshot.path / "best.yaml"),
            "reruns": _reruns(report),
            "trials": inline_table(["trial", "status", "step", report.metric, *report.fields], rows),
            "history": curve(values, title=f"{report.metric} of each trial after step {report.rungs[0]}"),
            "importances": inline_table(["field", "importance"], shares),
            "importances_rest_on": report.importance_note,
            "ended_by": report.ended_by,
            "sweep_id": report.sweep_id,
            "content_digest": snapshot.digest,
            "path": dg.MetadataValue.path(snapshot.path),
        },
    )


def _reruns(report: SweepReport) -> str:
    mean, stdev = _shown(report.rerun_mean), _shown(report.rerun_stdev)
    return f"{mean} ± {stdev} over seeds {report.rerun_seeds}"


def _shown(value: float | str | None) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
