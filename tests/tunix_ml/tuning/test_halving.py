import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.sweep import Objective, RungValue, SweepSpec, Trial
from tunix_ml.tuning.halving import Wave, rungs_of, wave_to

LOSS = Objective("validation_loss", is_minimised=True)
SCORE = Objective("answer_correctness", is_minimised=False)
RUNGS = [10, 20, 40]


def trial(number: int, *values: float, status: str = "waiting") -> Trial:
    rungs = [RungValue(step=step, value=value) for step, value in zip(RUNGS, values, strict=False)]
    return Trial.model_validate(
        {
            "number": number,
            "kind": "search",
            "status": status,
            "reason": "it broke" if status == "failed" else None,
            "metric": values[-1] if status == "complete" else None,
            "values": {},
            "seed": 0,
            "run_id": f"run-{number}",
            "fingerprint": "f",
            "rungs": rungs,
        }
    )


@pytest.mark.parametrize(
    ("first", "factor", "rungs"),
    [(None, 3, [60]), (20, 3, [20, 60]), (5, 3, [5, 15, 45, 60]), (10, 2, [10, 20, 40, 60])],
)
def test_rungs_grow_by_the_factor_up_to_the_end(first: int | None, factor: int, rungs: list[int]) -> None:
    assert rungs_of(SweepSpec(first_rung_steps=first, reduction_factor=factor), num_steps=60) == rungs


def test_a_first_rung_at_the_end_is_refused() -> None:
    with pytest.raises(ContractError, match="first_rung_steps 60 is not below the 60 steps of a run"):
        rungs_of(SweepSpec(first_rung_steps=60), num_steps=60)


def test_all_come_to_the_first_rung() -> None:
    trials = [trial(0), trial(1, 2.0), trial(2, status="failed"), trial(3)]

    assert wave_to(0, trials, rungs=RUNGS, factor=2, objective=LOSS) == Wave(10, (0, 3), ())


@pytest.mark.parametrize(("objective", "kept"), [(LOSS, (0, 2)), (SCORE, (1, 3))])
def test_the_best_go_on_by_the_declared_direction(objective: Objective, kept: tuple[int, ...]) -> None:
    trials = [trial(0, 1.0), trial(1, 4.0), trial(2, 2.0), trial(3, 3.0)]

    wave = wave_to(1, trials, rungs=RUNGS, factor=2, objective=objective)

    assert wave.step == 20
    assert wave.numbers == kept
    assert set(wave.pruned) == {0, 1, 2, 3} - set(kept)


def test_of_equal_trials_the_first_goes_on() -> None:
    trials = [trial(0, 2.0), trial(1, 1.0), trial(2, 1.0)]

    assert wave_to(1, trials, rungs=RUNGS, factor=3, objective=LOSS).numbers == (1,)


def test_one_always_goes_on() -> None:
    assert wave_to(1, [trial(0, 2.0), trial(1, 1.0)], rungs=RUNGS, factor=5, objective=LOSS).numbers == (1,)


def test_after_an_interruption_the_same_ones_go_on() -> None:
    half_done = [trial(0, 1.0, 0.9), trial(1, 4.0, status="pruned"), trial(2, 2.0), trial(3, 3.0)]

    wave = wave_to(1, half_done, rungs=RUNGS, factor=2, objective=LOSS)

    assert wave == Wave(20, (2,), (3,))


def test_a_trial_that_fails_later_has_taken_its_place() -> None:
    trials = [trial(0, 1.0, status="failed"), trial(1, 2.0), trial(2, 3.0)]

    assert wave_to(1, trials, rungs=RUNGS, factor=3, objective=LOSS) == Wave(20, (), (1, 2))


def test_nobody_goes_on_where_nobody_has_come() -> None:
    assert wave_to(1, [trial(0, status="failed")], rungs=RUNGS, factor=2, objective=LOSS) == Wave(20, (), ())
