from tunix_ml.contracts.quality import Bin
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.quality.statistics import Tally, histogram


def trace(prompt: str = "How many?", *, num_steps: int = 2, answer: str = "5") -> Trace:
    steps = tuple(TraceStep(i, "r", f"step {i}") for i in range(num_steps))
    return Trace("1.0", prompt, answer, steps, {"family": "sums"} if answer == "5" else None)


def test_a_histogram_has_a_bar_between_each_two_powers_of_two() -> None:
    assert histogram([1, 4, 5, 7]) == (Bin(1, 2, 1), Bin(2, 4, 0), Bin(4, 8, 3))
    assert histogram([0]) == (Bin(0, 1, 1),)
    assert histogram([]) == ()


def test_traces_are_counted_by_what_they_are() -> None:
    tally = Tally()
    for one in (
        trace(),
        trace(answer="five"),
        trace("\u03c0\u03cc\u03c3\u03bf\u03b9 \u03b5\u03af\u03bd\u03b1\u03b9", num_steps=1),
    ):
        tally.add(one)

    found = tally.statistics()

    assert found.families == {"sums": 2, "all": 1}
    assert found.answer_types == {"number": 2, "text": 1}
    assert found.scripts == {"latin": 2, "greek": 1}
    assert found.languages == {"undetermined": 2, "el": 1}
    assert found.num_steps == (Bin(1, 2, 1), Bin(2, 4, 2))


def test_a_length_far_from_all_others_stands_out() -> None:
    tally = Tally()
    for number in range(60):
        tally.add(trace("How many apples are there in all, if there are " + "1" * (number % 5)))
    tally.add(trace("long " * 200))
    tally.add(trace("?", num_steps=40))

    found = list(tally.outliers())

    assert [outlier.place for outlier in found] == [60, 61, 61, 61]
    assert found[0].detail == "prompt_chars is 1000, the median 49"


def test_of_few_traces_none_stands_out() -> None:
    tally = Tally()
    for _ in range(10):
        tally.add(trace())
    tally.add(trace("long " * 200))

    assert list(tally.outliers()) == []
