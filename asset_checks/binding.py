"""Bind checks to Dagster: run each on the content this Dagster run means, and store its verdict."""

import warnings
from collections.abc import Iterable, Iterator
from typing import Protocol

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (  # not public, as of 1.13
    AssetCheckEvaluationTargetMaterializationData,
)

from asset_checks.outcome import Check, merged
from asset_checks.subject import UNPARTITIONED, combined_digest, resolve_subjects
from asset_checks.verdict import audit
from tunix_ml.snapshot import NotPublished, StoreError
from tunix_ml.store import Store


class HasStore(Protocol):
    """A resource that knows the store."""

    def store(self) -> Store:
        """Return the store."""
        ...


def bind(
    checks: Iterable[Check], *, partitions_def: dg.PartitionsDefinition[str] | None
) -> list[dg.AssetChecksDefinition]:
    """Return a Dagster check for each of the checks, on the asset that each names.

    They need a resource `store` that is a HasStore.
    """
    return [_bind_one(check, partitions_def) for check in checks]


def run_checks(context: dg.OpExecutionContext, checks: Iterable[Check]) -> Iterator[dg.AssetCheckEvaluation]:
    """Run checks outside a materialization, on the current content of the run's partition.

    Dagster 1.13 has no job of partitioned checks alone, so an op yields their evaluations itself. What is not
    published is passed over, and said.

    Raises:
        dagster.Failure: nothing is published, or a check found an error.
    """
    results: dict[Check, dg.AssetCheckResult] = {}
    for check in checks:
        try:
            result = _evaluate(context, check, context.partition_key)
        except NotPublished as error:
            context.log.warning(f"{check.name} was not run: {error}")
            continue
        except StoreError as error:
            result = dg.AssetCheckResult(passed=False, description=str(error))
        verdict = "passed" if result.passed else "FAILED"
        context.log.info(f"{check.asset}: {check.name}: {verdict}: {result.description}")
        yield _evaluation(context, check, result)
        results[check] = result
    failed = [check.name for check, result in results.items() if is_error(result)]
    if failed or not results:
        reason = f"failed: {', '.join(failed)}" if failed else "nothing of it is published"
        raise dg.Failure(description=f"{context.partition_key}: {reason}", allow_retries=False)


def is_error(result: dg.AssetCheckResult) -> bool:
    """Say whether a result is a failure that is more than a warning."""
    return not result.passed and result.severity == dg.AssetCheckSeverity.ERROR


def _bind_one(check: Check, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetChecksDefinition:
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        try:
            result = _evaluate(context, check, context.partition_key if partitions_def else UNPARTITIONED)
        except NotPublished as error:
            result = dg.AssetCheckResult(passed=False, description=str(error))
        yield result
        if check.is_gate and is_error(result):
            raise dg.Failure(description=f"{check.name}: {result.description}", allow_retries=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitions_def of a check, as of 1.13
        return dg.asset_check(
            asset=check.asset,
            name=check.name,
            description=check.description,
            blocking=check.blocking,
            partitions_def=partitions_def,
            required_resource_keys={"store"},
        )(run)  # type: ignore[arg-type]  # generators are taken, though the types of 1.13 do not say so


def _evaluate(
    context: dg.AssetCheckExecutionContext | dg.OpExecutionContext, check: Check, key: str
) -> dg.AssetCheckResult:
    """Run a check on every content of its asset, and return one result for all of them."""
    store: Store = context.resources.store.store()
    subjects = resolve_subjects(context, store, check.asset, key)
    outcome = merged({subject.evaluation_set: audit(check, subject) for subject in subjects})
    digests = {subject.evaluation_set: subject.snapshot.digest for subject in subjects}
    return dg.AssetCheckResult(
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity[outcome.severity],
        description=outcome.description,
        metadata={**outcome.facts, "content_digest": combined_digest(digests)},
    )


def _evaluation(
    context: dg.OpExecutionContext, check: Check, result: dg.AssetCheckResult
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(check.asset),
        check_name=check.name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
        blocking=check.blocking,
        partition=context.partition_key,
        target_materialization_data=_latest_materialization(context, check),
    )


def _latest_materialization(
    context: dg.OpExecutionContext, check: Check
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return what is evaluated; without it, automation would take the check for one that has not run."""
    found = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(check.asset), asset_partitions=[context.partition_key]), limit=1
    )
    for record in found.records:
        return AssetCheckEvaluationTargetMaterializationData(
            storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp
        )
    return None
