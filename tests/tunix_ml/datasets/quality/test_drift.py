import random

from tunix_ml.contracts.quality import Statistics
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.quality.drift import distance, find_drift
from tunix_ml.datasets.quality.statistics import Tally


def statistics(num_traces: int, *, seed: int, share_of_words: float = 0.2) -> Statistics:
    rng, tally = random.Random(seed), Tally()
    for _ in range(num_traces):
        answer = "a word" if rng.random() < share_of_words else "7"
        steps = tuple(TraceStep(i, "r", "so " * rng.randint(2, 9)) for i in range(rng.randint(1, 6)))
        tally.add(Trace("1.0", "How many? " * rng.randint(1, 9), answer, steps))
    return tally.statistics()


def moved(now: Statistics, before: Statistics) -> list[str]:
    return [one.quantity for one in find_drift(now, before) if one.distance > one.limit]


def test_distance_is_the_share_that_would_have_to_change() -> None:
    assert distance({"a": 1, "b": 1}, {"a": 10}) == 0.5
    assert distance({"a": 1}, {"b": 1}) == 1.0
    assert distance({"a": 2, "b": 2}, {"a": 1, "b": 1}) == 0.0


def test_samples_of_one_kind_have_not_drifted() -> None:
    for seed in range(20):
        assert moved(statistics(60, seed=seed), statistics(80, seed=seed + 100)) == []


def test_a_quantity_that_has_changed_is_told_and_no_other() -> None:
    assert moved(statistics(500, seed=1, share_of_words=0.9), statistics(500, seed=2)) == ["answer_types"]


def test_too_few_traces_tell_nothing() -> None:
    assert find_drift(statistics(49, seed=1), statistics(500, seed=2)) == ()
