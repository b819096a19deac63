"""The engine of a sweep by its name: what it thinks of next, and where trials are trained."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.sweep import Dimension, EngineName, Objective, Trial, Values
from tunix_ml.tuning.launch import OutOfTime
from tunix_ml.tuning.trial import TrialJob, run_trial


class Search(NamedTuple):
    """All that decides which recipe is tried next."""

    space: dict[str, Dimension]
    objective: Objective
    trials: list[Trial]
    num_trials: int
    seed: int


class Listener(Protocol):
    """What an engine tells about the trials that it trains."""

    def begins(self, number: int) -> None:
        """Tell that a trial is about to be trained."""
        ...

    def ends(self, number: int, *, failure: str | None) -> None:
        """Tell that nothing works on a trial any more; what came of it lies in its run."""
        ...

    def report(self, line: str) -> None:
        """Tell about the progress."""
        ...


class Engine(Protocol):
    """Thinks of trials and has them trained; it decides nothing else and remembers nothing."""

    def num_proposed_at_once(self, num_missing: int) -> int:
        """Return how many trials it thinks of before it wants to know what came of them."""
        ...

    def propose(self, search: Search) -> Values | None:
        """Return a recipe that was not tried yet, the same for the same search; None if there is none."""
        ...

    def train(self, jobs: Sequence[TrialJob], listener: Listener) -> None:
        """Bring trials to their rung, as far as their time allows."""
        ...


def engine_of(name: EngineName) -> Engine:
    """Return an engine.

    Raises:
        MissingExtra: its library is not installed.
    """
    if name == "ray":
        from tunix_ml.tuning.ray_engine import RayEngine  # noqa: PLC0415 - an optional library

        return RayEngine()
    from tunix_ml.tuning.optuna_engine import OptunaEngine  # noqa: PLC0415 - not where Ray does the work

    return OptunaEngine()


def train_in_turn(jobs: Sequence[TrialJob], listener: Listener) -> None:
    """Train one trial after the other on this machine, until the time is up."""
    for job in jobs:
        listener.begins(job.number)
        failure: str | None = None
        try:
            run_trial(job, lambda line, number=job.number: listener.report(f"trial {number}: {line}"))  # type: ignore[misc]
        except OutOfTime as error:
            listener.ends(job.number, failure=None)
            listener.report(str(error))
            return
        except TunixError as error:
            failure = str(error)
        listener.ends(job.number, failure=failure)
