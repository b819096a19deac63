"""What an asset reads: its upstream content, audited; and how a failure is told."""

import contextlib
from collections.abc import Iterator

import dagster as dg

from asset_checks.catalog import blocking_checks
from asset_checks.outcome import Subject
from asset_checks.subject import resolve_subject
from tunix_ml.audits import require_audits
from tunix_ml.contracts.base import TunixError
from tunix_ml.store import Store


def audited_input(context: dg.AssetExecutionContext, store: Store, asset: str) -> Subject:
    """Return the content of an upstream asset for this partition, if it has passed its blocking checks.

    Raises:
        NotAudited: a blocking check failed on it, or never looked at it.
        NotPublished: there is none.
    """
    subject = resolve_subject(context, store, asset, context.partition_key)
    require_audits(subject.slot, subject.snapshot, blocking_checks(asset))
    return subject


@contextlib.contextmanager
def clear_failures() -> Iterator[None]:
    """Turn an error that a user can mend into a failure whose description is the error's own sentence."""
    try:
        yield
    except TunixError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
