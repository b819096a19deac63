"""Facts about the reports on foreign systems: those that hold for our own."""

from asset_checks import eval_report
from asset_checks.outcome import Check

# The leaderboard asks a report for the same audits, wherever its predictions were made.
CHECKS = tuple(
    Check("external_systems", check.function, blocking=False)
    for check in eval_report.CHECKS
    if check.blocking
)
