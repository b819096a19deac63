from collections.abc import Callable

import pytest

from tunix_ml.contracts.base import TunixError
from tunix_ml.tuning import engines
from tunix_ml.tuning.launch import OutOfTime, WorkerFailed
from tunix_ml.tuning.optuna_engine import OptunaEngine
from tunix_ml.tuning.sweep import SweepJob
from tunix_ml.tuning.trial import TrialJob


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, number: int) -> None:
        self.told.append(f"begins {number}")

    def ends(self, number: int, *, failure: str | None) -> None:
        self.told.append(f"ends {number} {failure}")

    def report(self, line: str) -> None:
        self.told.append(line)


@pytest.fixture
def jobs(make_job: Callable[..., SweepJob]) -> list[TrialJob]:
    sweep = make_job()
    return [
        TrialJob(number=n, home=sweep.home, identity=sweep.identity.base, execution=sweep.execution, step=6)
        for n in range(3)
    ]


def failing(error: TunixError, at: int) -> Callable[..., None]:
    def run(job: TrialJob, report: Callable[[str], None]) -> None:
        report("step 1")
        if job.number == at:
            raise error

    return run


def test_optuna_is_an_engine() -> None:
    assert isinstance(engines.engine_of("optuna"), OptunaEngine)


def test_a_failed_trial_does_not_keep_the_next_from_its_turn(
    jobs: list[TrialJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "run_trial", failing(WorkerFailed("it broke"), at=1))
    listener = Listener()

    engines.train_in_turn(jobs, listener)

    assert listener.told == [
        *("begins 0", "trial 0: step 1", "ends 0 None"),
        *("begins 1", "trial 1: step 1", "ends 1 it broke"),
        *("begins 2", "trial 2: step 1", "ends 2 None"),
    ]


def test_when_the_time_is_up_no_other_trial_is_begun(
    jobs: list[TrialJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "run_trial", failing(OutOfTime("the time is up"), at=1))
    listener = Listener()

    engines.train_in_turn(jobs, listener)

    assert listener.told[-4:] == ["begins 1", "trial 1: step 1", "ends 1 None", "the time is up"]
