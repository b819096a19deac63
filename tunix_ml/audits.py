"""Audits: the stored verdict of each check about each content, so that a consumer can insist on it."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tunix_ml.contracts.artifact import Audit
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.canonical import DIGEST_PREFIX_LENGTH
from tunix_ml.durable import make_directory, write_atomically
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot

_CHECK = re.compile(r"[A-Za-z0-9_]{1,128}")


class NotAudited(TunixError):
    """An input has not passed the checks that its consumer relies on."""


def record_audit(
    slot: Slot, digest: str, *, check: str, passed: bool, description: str, is_warning: bool = False
) -> Audit:
    """Store one check's verdict about one content of a slot; a later verdict replaces it.

    Raises:
        ContractError: the check's name cannot be the name of a file.
    """
    if not _CHECK.fullmatch(check):
        raise ContractError(f"check {check!r:.100} is not a name of 1 to 128 letters, digits and '_'")
    audit = Audit(
        check=check,
        content_digest=digest,
        passed=passed,
        is_warning=is_warning,
        description=description,
        audited_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    directory = _directory(slot, digest)
    make_directory(directory)
    write_atomically(directory / f"{check}.json", audit.to_json())
    return audit


def audits(slot: Slot, digest: str) -> dict[str, Audit]:
    """Return the stored verdicts about one content, by name of the check.

    A damaged verdict counts for nothing: the check has to be run again.
    """
    found = [audit for path in sorted(_directory(slot, digest).glob("*.json")) if (audit := _read(path))]
    return {audit.check: audit for audit in found if audit.content_digest == digest}


def worst_first(found: Iterable[Audit]) -> list[Audit]:
    """Return verdicts in the order in which a person should see them."""
    return sorted(found, key=lambda audit: (audit.passed, not audit.is_warning, audit.check))


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


def _directory(slot: Slot, digest: str) -> Path:
    return slot.path / "audits" / digest[:DIGEST_PREFIX_LENGTH]


def _read(path: Path) -> Audit | None:
    try:
        audit = Audit.read(path)
    except ContractError:
        return None
    return audit if path.name == f"{audit.check}.json" else None
