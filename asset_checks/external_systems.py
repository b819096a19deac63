"""Facts about foreign systems: those that hold for our own reports, and one about the recipes."""

import functools
import json
from collections.abc import Callable

from asset_checks import eval_report
from asset_checks.outcome import Check, Outcome, Subject, all_hold
from asset_checks.subject import RECIPES
from tunix_ml.evaluation.systems import RECIPES_FILE


def every_recipe_was_read(subject: Subject) -> Outcome:
    """Every recipe for foreign systems, whose file is there, could be read and brought in."""
    if subject.evaluation_set != RECIPES:
        return Outcome(True, "a report, and no list of recipes", {}, "WARN")
    listed = json.loads(subject.snapshot.file(RECIPES_FILE).read_bytes())
    problems = [f"{name}: {why}" for name, why in sorted(listed["refused"].items())]
    return all_hold(problems, subject="recipes", severity="WARN")


def _of_reports(function: Callable[[Subject], Outcome]) -> Callable[[Subject], Outcome]:
    """Return a check of reports that passes over the list of recipes beside them."""

    @functools.wraps(function)
    def check(subject: Subject) -> Outcome:
        is_report = subject.evaluation_set != RECIPES
        return function(subject) if is_report else Outcome(True, "no report, but the list of recipes")

    return check


# The leaderboard asks a report for the same audits, wherever its predictions were made.
CHECKS = (
    *(
        Check("external_systems", _of_reports(check.function), blocking=False)
        for check in eval_report.CHECKS
        if check.blocking
    ),
    Check("external_systems", every_recipe_was_read, blocking=False),
)
