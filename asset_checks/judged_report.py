"""Facts about a report by a judge: those that hold for a report by answers."""

from asset_checks import eval_report
from asset_checks.outcome import Check

CHECKS = tuple(
    Check("judged_report", check.function, blocking=check.blocking) for check in eval_report.CHECKS
)
