"""What a check is, what it looks at, and what it finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tunix_ml.store import Slot, Snapshot, Store

Severity = Literal["ERROR", "WARN"]
Facts = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Subject:
    """One content of one asset: what a check looks at.

    `dataset_version` is the partition; for an asset without partitions it is `all`. `evaluation_set` names
    the content where an asset has one for each evaluation set; elsewhere it is empty. `gate_severity` is that
    of a regression: a warning, unless the Dagster run asks for more.
    """

    store: Store
    dataset_version: str
    slot: Slot
    snapshot: Snapshot
    evaluation_set: str = ""
    gate_severity: Severity = "WARN"


@dataclass(frozen=True)
class Outcome:
    """What a check found: the verdict, a sentence, and the numbers behind it."""

    passed: bool
    description: str
    facts: Facts = field(default_factory=dict)
    severity: Severity = "ERROR"


@dataclass(frozen=True)
class Check:
    """A fact that should hold for an asset; its function's docstring states the fact.

    A blocking check stops what hangs on the asset when it fails with severity ERROR, in the same run and,
    through the stored audit, in any later one.
    """

    asset: str
    function: Callable[[Subject], Outcome]
    blocking: bool = True

    @property
    def name(self) -> str:
        """The check's name: the function's."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """The fact, from the function's docstring."""
        return " ".join((self.function.__doc__ or "").split())


def all_hold(
    problems: list[str], *, subject: str, facts: Facts | None = None, severity: Severity = "ERROR"
) -> Outcome:
    """Return a passing outcome where there are no problems, else one that names the first three."""
    facts = {"num_problems": len(problems), **(facts or {})}
    if not problems:
        return Outcome(True, f"{subject}: no problem found", facts, severity)
    named = "; ".join(problems[:3])
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Outcome(False, f"{subject}: {named}{more}", facts, severity)


def merged(outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return what a check found over several contents, by their names; of a single one, what it found there.

    It passes if all do. The description is that of those which fail, with the severity of the worst of them;
    facts bear the name of their content.
    """
    if not outcomes:
        return Outcome(True, "there is nothing to look at")
    if len(outcomes) == 1:
        return next(iter(outcomes.values()))
    failed = {name: outcome for name, outcome in outcomes.items() if not outcome.passed}
    told = failed or outcomes
    facts = {
        f"{name}/{fact}": value for name, outcome in outcomes.items() for fact, value in outcome.facts.items()
    }
    severities = {outcome.severity for outcome in told.values()}
    return Outcome(
        passed=not failed,
        description="; ".join(f"{name}: {outcome.description}" for name, outcome in told.items()),
        facts=facts,
        severity="ERROR" if "ERROR" in severities else "WARN",
    )
