"""Audits: the stored verdict of each check about each content, so that a consumer can insist on it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from tunix_ml.contracts.artifact import Audit
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.durable import write_atomically
from tunix_ml.store import Slot, Snapshot


class NotAudited(Exception):
    """An input has not passed the checks that its consumer relies on."""


def record_audit(slot: Slot, digest: str, *, check: str, passed: bool, description: str) -> Audit:
    """Store one check's verdict about one content of a slot; a later verdict replaces it."""
    audit = Audit(
        check=check,
        content_digest=digest,
        passed=passed,
        description=description,
        audited_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    directory = slot.path / "audits" / digest[:DIGEST_PREFIX_LENGTH]
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / f"{check}.json", audit.to_json())
    return audit


def audits(slot: Slot, digest: str) -> dict[str, Audit]:
    """Return the stored verdicts about one content, by name of the check."""
    directory = slot.path / "audits" / digest[:DIGEST_PREFIX_LENGTH]
    found = [Audit.read(path) for path in sorted(directory.glob("*.json"))]
    return {audit.check: audit for audit in found if audit.content_digest == digest}


def require_audits(slot: Slot, snapshot: Snapshot, checks: Iterable[str]) -> Snapshot:
    """Return the snapshot if every one of the checks has passed on exactly this content.

    Raises:
        NotAudited: a check has failed or was never run; the message names it and what to do.
    """
    found = audits(slot, snapshot.digest)
    subject = f"{slot.table} of {slot.key!r} (content {snapshot.digest[:DIGEST_PREFIX_LENGTH]})"
    for check in checks:
        audit = found.get(check)
        if audit is None:
            raise NotAudited(
                f"{subject} has not been through the check {check!r}: run the checks of {slot.table} first"
            )
        if not audit.passed:
            raise NotAudited(f"{subject} failed the check {check!r}: {audit.description}")
    return snapshot
