import pytest

from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.quality.consistency import check_consistency, is_supported


def trace(*steps: str, answer: str = "5", numbers: list[int] | None = None) -> Trace:
    numbered = zip(numbers or range(len(steps)), steps, strict=True)
    return Trace("1.0", "How many?", answer, tuple(TraceStep(i, "reasoning", text) for i, text in numbered))


def found(*steps: str, answer: str = "5", numbers: list[int] | None = None) -> list[str]:
    return [
        problem.check for problem in check_consistency(trace(*steps, answer=answer, numbers=numbers)).found
    ]


def test_a_true_trace_has_nothing_and_its_claims_are_counted() -> None:
    consistent = check_consistency(trace("2 * 3 = 6.", "6 - 1 = 5, so 5."))

    assert (consistent.found, consistent.num_claims) == ([], 2)


def test_wrong_arithmetic_is_told_with_what_it_comes_to() -> None:
    (problem,) = check_consistency(trace("2 * 3 = 7.", "So it is 5.")).found

    assert problem.check == "arithmetic"
    assert problem.detail == "steps[0] claims 2 * 3 = 7, which comes to 6"


@pytest.mark.parametrize("step", ["10 / 3 = 3.33", "1 / 3 = 33.3%", "2 / 3 = .67"])
def test_a_value_written_with_decimals_may_be_rounded(step: str) -> None:
    assert found(step, "So 5.") == []


@pytest.mark.parametrize("step", ["10 / 3 = 3", "10 / 3 = 3.35", "5 / 0 = 1.5"])
def test_a_value_cut_short_or_rounded_wrongly_is_wrong(step: str) -> None:
    assert found(step, "So 5.") == ["arithmetic"]


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ("5", "So it is 5."),
        ("5", "2 + 3 = 5"),
        ("27", "27 = 20 + 7"),
        ("1,200", "She pays $1200."),
        ("3400", "That is 17 000/5 = 3 400."),
        ("25", "Each costs 40/160 = $0.25"),
        ("0.5", "That is 1/2."),
        ("Thursday", "100 - 98 = 2 days remain: then THURSDAY."),
        ("28 remainder 6", "So the answer is 28 remainder 6."),
        ("(y + 12)/4", "Dividing gives (y + 12)/4."),
    ],
)
def test_an_answer_that_the_last_step_leads_to_is_supported(answer: str, last: str) -> None:
    assert is_supported(answer, [last])


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ("6", "2 + 3 = 5."),
        ("3", "2 + 3 = 5."),
        ("66", "James scored a total of 48 + 16 = 64 points."),
        ("Friday", "So it is Thursday."),
        ("5", "x = 15"),
        ("5 apples", "So there are 6 apples."),
    ],
)
def test_an_answer_that_contradicts_the_last_step_is_found(answer: str, last: str) -> None:
    assert found("Let us see.", last, answer=answer) == ["answer_support"]


def test_a_proof_at_the_end_leaves_the_answer_to_the_step_before() -> None:
    assert is_supported("26", ["The largest is 26.", "Check: 22 + 24 + 26 = 72."])
    assert not is_supported("27", ["The largest is 26.", "Check: 22 + 24 + 26 = 72."])


def test_an_answer_of_several_numbers_is_put_together_from_the_steps() -> None:
    assert is_supported("12 bags, 3 left over", ["75 / 6 = 12.5, so 12 bags.", "3 rolls remain."])


@pytest.mark.parametrize(
    ("numbers", "is_bad"), [([0, 1], 0), ([1, 2], 0), ([0, 2], 1), ([1, 0], 1), ([2, 3], 1)]
)
def test_steps_are_numbered_one_after_the_other(numbers: list[int], is_bad: int) -> None:
    assert found("First.", "So 5.", numbers=numbers) == ["step_indices"] * is_bad


def test_a_step_that_says_nothing_is_found() -> None:
    assert found("...", "So 5.") == ["empty_step"]


def test_a_step_that_says_the_same_again_is_found() -> None:
    assert found("We add 2 and 3.", "we add  2 and 3.", "So 5.") == ["repeated_step"]


def test_a_sum_that_changes_nothing_may_stand_twice() -> None:
    assert found("5 + 0 = 5.", "5 + 0 = 5.") == []
    assert found("2 + 3 = 5.", "2 + 3 = 5.") == ["repeated_step"]
