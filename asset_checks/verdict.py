"""The verdict of one check about one content, stored beside that content."""

from asset_checks.outcome import Check, Outcome, Subject
from tunix_ml.audits import record_audit
from tunix_ml.contracts.base import TunixError


def audit(check: Check, subject: Subject) -> Outcome:
    """Return what a check found, after storing its verdict about this content; a warning passes."""
    outcome = _outcome(check, subject)
    is_warning = not outcome.passed and outcome.severity == "WARN"
    record_audit(
        subject.slot,
        subject.snapshot.digest,
        check=check.name,
        passed=outcome.passed or is_warning,
        is_warning=is_warning,
        description=outcome.description,
    )
    return outcome


def _outcome(check: Check, subject: Subject) -> Outcome:
    """Return what a check found; that it could not read its subject is a finding too."""
    try:
        return check.function(subject)
    except (TunixError, OSError) as error:
        return Outcome(False, str(error))
