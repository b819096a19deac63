"""Bind checks to Dagster: run each on the content this Dagster run means, and store its verdict."""

import warnings
from collections.abc import Iterable
from typing import Protocol

import dagster as dg

from asset_checks.outcome import Check, Outcome
from asset_checks.subject import UNPARTITIONED, resolve_subject
from tunix_ml.audits import record_audit
from tunix_ml.store import NotPublished, Store


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


def _bind_one(check: Check, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetChecksDefinition:
    def run(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        store: Store = context.resources.store.store()
        key = context.partition_key if partitions_def else UNPARTITIONED
        try:
            subject = resolve_subject(context, store, check.asset, key)
        except NotPublished as error:
            return dg.AssetCheckResult(passed=False, description=str(error))
        outcome = check.function(subject)
        record_audit(
            subject.slot,
            subject.snapshot.digest,
            check=check.name,
            passed=outcome.passed or outcome.severity == "WARN",
            description=outcome.description,
        )
        return _result(outcome, subject.snapshot.digest)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # partitions_def of a check, as of 1.13
        return dg.asset_check(
            asset=check.asset,
            name=check.name,
            description=check.description,
            blocking=check.blocking,
            partitions_def=partitions_def,
            required_resource_keys={"store"},
        )(run)


def _result(outcome: Outcome, digest: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity[outcome.severity],
        description=outcome.description,
        metadata={**outcome.facts, "content_digest": digest},
    )
