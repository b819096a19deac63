"""What an asset reads: its upstream content, audited; and how a failure is told."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from asset_checks.catalog import blocking_checks
from asset_checks.outcome import Subject
from asset_checks.subject import EVALUATION_SETS, resolve_subjects
from tunix_assets.retries import may_pass
from tunix_ml.audits import require_audits
from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.run_state import StatusFact
from tunix_ml.datasets.evaluation_set import published_evaluation_sets
from tunix_ml.status_facts import record_status
from tunix_ml.store import Store

RUN_ID_TAG = "tunix/run_id"


def audited_input(context: dg.AssetExecutionContext, store: Store, asset: str) -> Subject:
    """Return the one content of an upstream asset for this partition, if its blocking checks have passed.

    Raises:
        NotAudited: a blocking check failed on it, or never looked at it.
        NotPublished: there is none.
    """
    (subject,) = audited_inputs(context, store, asset)
    return subject


def audited_inputs(context: dg.AssetExecutionContext, store: Store, asset: str) -> list[Subject]:
    """Return all contents of an upstream asset that has one for each evaluation set, audited.

    Raises:
        NotAudited: a blocking check failed on one of them, or never looked at it.
        NotPublished: there is none.
    """
    subjects = resolve_subjects(context, store, asset, context.partition_key)
    for subject in subjects:
        require_audits(subject.slot, subject.snapshot, blocking_checks(asset))
    return subjects


def require_audited_sets(store: Store, names: Iterable[str]) -> None:
    """Refuse evaluation sets of the catalog that are published and have not passed their blocking checks.

    Raises:
        NotAudited: a blocking check failed on one of them, or never looked at it.
    """
    published = published_evaluation_sets(store)
    for name in names:
        if slot := published.get(name):
            require_audits(slot, slot.resolve(), blocking_checks(EVALUATION_SETS))


def tell_run(context: dg.AssetExecutionContext, store: Store, run_id: str) -> None:
    """Say which training run the Dagster run works on: by a tag, for the UI, and in a fact, for its state."""
    context.instance.add_run_tags(context.run.run_id, {RUN_ID_TAG: run_id})
    record_status(
        store,
        StatusFact(
            orchestration_run_id=context.run.run_id,
            status="identified",
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            dataset_version=context.partition_key,
            run_id=run_id,
        ),
    )


@contextlib.contextmanager
def clear_failures() -> Iterator[None]:
    """Turn an error that a user can mend into a failure whose description is the error's own sentence.

    Only a failure that may pass by itself is left to the retry policy of the asset.
    """
    try:
        yield
    except dg.Failure:
        raise
    except TunixError as error:
        raise dg.Failure(description=str(error), allow_retries=error.may_pass) from None
    except Exception as error:
        if may_pass(error):
            raise
        raise dg.Failure(description=f"{type(error).__name__}: {error}", allow_retries=False) from error
