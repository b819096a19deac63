"""The asset `judged_eval`."""

from collections.abc import Iterator, Sequence
from functools import partial

import dagster as dg

from asset_checks.outcome import Subject
from asset_checks.subject import combined_digest, content_metadata
from tunix_assets.inputs import audited_inputs, clear_failures
from tunix_assets.metadata import column_schema, inline_table
from tunix_assets.partitions import DATASET_VERSIONS
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_assets.retries import RETRIES
from tunix_ml.contracts.judge import JUDGE_VERDICTS_SCHEMA, JudgeConfig, JudgedSetsConfig, JudgementsMeta
from tunix_ml.datasets.evaluation_set import full_names
from tunix_ml.evaluation.judges.calibration import ranking_problem
from tunix_ml.evaluation.judges.opening import open_judge
from tunix_ml.evaluation.judges.predictions import CODE_PARTS, META_FILE, judge_predictions, judgements_name
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store


class JudgedEvalConfig(JudgeConfig, JudgedSetsConfig, dg.Config):
    """The run configuration of `judged_eval`."""


@dg.asset(
    deps=["predictions"],
    group_name="evaluation",
    partitions_def=DATASET_VERSIONS,
    code_version=source_digest(*CODE_PARTS),
    kinds={"parquet"},
    pool="accelerator",
    output_required=False,
    metadata=column_schema(JUDGE_VERDICTS_SCHEMA),
    retry_policy=RETRIES,
)
def judged_eval(
    context: dg.AssetExecutionContext,
    config: JudgedEvalConfig,
    store: StoreResource,
    worker: WorkerResource,
) -> Iterator[dg.MaterializeResult[None]]:
    """What a judge says of each text that the trained model wrote, one verdict for each sample.

    The configuration names the judge; without one nothing is made. Its verdicts rank only if
    `judge_calibration` has shown that it can be believed. It is made by hand, by the job `judge`.
    """
    asked = JudgeConfig.model_validate({name: getattr(config, name) for name in JudgeConfig.model_fields})
    if not asked.judge:
        context.log.warning("nothing is judged: `ops.judged_eval.config.judge` names no judge")
        return
    with clear_failures():
        judge = open_judge(asked, store=store.store(), run_worker=partial(worker.run, context))
        predicted = audited_inputs(context, store.store(), "predictions")
        made = [
            judge_predictions(
                store.store(),
                subject.slot.key,
                subject.evaluation_set,
                judge_name=asked.judge,
                judge=judge,
                predictions_digest=subject.snapshot.digest,
                report=context.log.info,
            )
            for subject in _chosen(predicted, full_names(config.judged_sets, context.partition_key))
        ]
        yield _describe(store.store(), made)


def _chosen(predicted: Sequence[Subject], names: Sequence[str]) -> list[Subject]:
    """Return the predictions for the evaluation sets of some names, or all of them."""
    by_name = {subject.evaluation_set: subject for subject in predicted}
    chosen = list(names) or list(by_name)
    missing = [name for name in chosen if name not in by_name]
    if missing or not chosen:
        there_are = ", ".join(by_name) or "none"
        raise NotPublished(
            f"there are no predictions for {', '.join(missing) or 'the run'}, but: {there_are}"
        )
    return [by_name[name] for name in chosen]


def _describe(store: Store, made: list[Snapshot]) -> dg.MaterializeResult[None]:
    metas = [JudgementsMeta.read(snapshot.file(META_FILE)) for snapshot in made]
    first = metas[0]
    digests = {
        judgements_name(meta.evaluation_set, meta.judge): snapshot.digest
        for meta, snapshot in zip(metas, made, strict=True)
    }
    problem = ranking_problem(store, first.judge, judge_digest=first.judge_digest)
    columns = ["judged", "items", "mean score", "scored items", "gold", "shuffled"]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(combined_digest(digests)),
        metadata={
            "run_id": first.run_id,
            "judge": first.judge,
            "may_rank": problem or "yes",
            "judgements": inline_table(columns, [_row(meta) for meta in metas]),
            "judge_digest": first.judge_digest,
            "ask_time_s": sum(meta.ask_time_s for meta in metas),
            "path": dg.MetadataValue.path(made[0].path),
            **content_metadata(digests),
        },
    )


def _row(meta: JudgementsMeta) -> tuple[object, ...]:
    rates = (meta.mean_score, meta.self_test.gold_rate, meta.self_test.shuffled_rate)
    mean, gold, shuffled = ("none" if rate is None else f"{rate:.3f}" for rate in rates)
    return meta.evaluation_set, meta.num_items, mean, meta.num_scored_items, gold, shuffled
