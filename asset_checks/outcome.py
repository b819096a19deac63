"""What a check is, what it looks at, and what it finds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Severity = Literal["ERROR", "WARN"]
Facts = Mapping[str, int | float | str]
_NUM_NAMED = 3


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
    through the stored audit, in any later one. One that is a gate stops nothing, but fails the Dagster run
    that finds an error.
    """

    asset: str
    function: Callable[[Subject], Outcome]
    blocking: bool = True
    is_gate: bool = False

    @property
    def name(self) -> str:
        """The check's name: the function's."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """The fact, from the function's docstring."""
        return " ".join((self.function.__doc__ or "").split())


class Problems:
    """Problems as they are found: the first few in words, all of them by number."""

    def __init__(self, problems: Iterable[str] = ()) -> None:
        self.first: list[str] = []
        self.num_found = 0
        self.extend(problems)

    def add(self, problem: str) -> None:
        """Take in one problem."""
        if self.num_found < _NUM_NAMED:
            self.first.append(problem)
        self.num_found += 1

    def include(self, others: "Problems") -> None:
        """Take in what was found elsewhere."""
        self.first = [*self.first, *others.first][:_NUM_NAMED]
        self.num_found += others.num_found

    def extend(self, problems: Iterable[str]) -> None:
        """Take in several problems."""
        for problem in problems:
            self.add(problem)


def all_hold(
    problems: list[str] | Problems, *, subject: str, facts: Facts | None = None, severity: Severity = "ERROR"
) -> Outcome:
    """Return a passing outcome where there are no problems, else one that names the first three."""
    found = problems if isinstance(problems, Problems) else Problems(problems)
    facts = {"num_problems": found.num_found, **(facts or {})}
    if not found.num_found:
        return Outcome(True, f"{subject}: no problem found", facts, severity)
    more = f"; and {found.num_found - _NUM_NAMED} more" if found.num_found > _NUM_NAMED else ""
    return Outcome(False, f"{subject}: {'; '.join(found.first)}{more}", facts, severity)


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
