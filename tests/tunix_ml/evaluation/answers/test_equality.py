import os
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.evaluation_set import ANSWER_TYPES, AnswerType, EvaluationItem
from tunix_ml.evaluation.answers import equality
from tunix_ml.evaluation.answers.equality import compare_answer, compare_answers
from tunix_ml.evaluation.answers.verdict import Verdict

ENDLESS = r"\binom{1000000000}{500000000}"


def item(expected: str, answer_type: AnswerType = "number", **fields: Any) -> EvaluationItem:
    return EvaluationItem("item", "What?", expected, answer_type, **fields)


@pytest.fixture
def no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that no test may start."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the solver was asked")

    monkeypatch.setattr(equality.Solver, "compare", refuse)


@pytest.mark.parametrize(
    ("asked", "given", "rule"),
    [
        (item("18"), "$18.00", "number"),
        (item("18"), r"\boxed{18}", "number"),
        (item("1/2"), r"\frac{2}{4}", "number"),
        (item("0.5"), "1/2", "number"),
        (item("5", unit="km"), "5 km", "number"),
        (item("5 km", unit="km"), "5", "number"),
        (item("10%"), r"10\%", "number"),
        (item("10", unit="%"), "10%", "number"),
        (item(r"\frac{1}{2}"), "0.5", "number"),
        (item("Paris", "text"), " **paris**. ", "text"),
        (item("B", "choice", choices={"A": "a dog", "B": "a cat"}), "(b) a cat", "choice"),
        (item("(B)", "choice"), "B.", "choice"),
        (item("true", "boolean"), "Yes.", "boolean"),
        (item("1, 2", "list"), "[1, 2]", "list"),
        (item("1, 2", "set"), "{2, 1}", "set"),
        (item(r"\frac{x}{2}", "expression"), r"$\frac{x}{2}$", "text"),
        (item("1/2", "expression"), r"\frac{1}{2}", "number"),
        (item(ENDLESS, "expression"), ENDLESS, "text"),
    ],
)
def test_an_answer_equals_the_expected_one_by_the_type_of_the_item(
    asked: EvaluationItem, given: str, rule: str
) -> None:
    assert compare_answer(asked, given) == Verdict("equal", rule)


@pytest.mark.parametrize(
    ("asked", "given", "rule"),
    [
        (item("18"), "81", "number"),
        (item("10"), "10%", "number"),
        (item("0.1"), "10%", "number"),
        (item("1/3"), ".333333", "number"),
        # What the answer looks like does not make it one of another type.
        (item("18", "text"), "18.0", "text"),
        (item("1", "boolean"), "1", "boolean"),
        (item("Paris", "text"), "Paris, France", "text"),
        (item("true", "boolean"), "no", "boolean"),
        (item("1, 2", "list"), "2, 1", "list"),
        (item("(1,2)", "list"), "{1,2}", "list"),
        (item("{1,2}", "set"), "(1,2)", "set"),
        (item("A", "choice", choices={"A": "x", "B": "y"}), "B", "choice"),
    ],
)
def test_another_answer_is_different(asked: EvaluationItem, given: str, rule: str) -> None:
    found = compare_answer(asked, given)

    assert found is not None
    assert (found.outcome != "equal", found.rule) == (True, rule)


@pytest.mark.parametrize(
    ("asked", "given", "detail"),
    [
        (item("5", unit="km"), "5 miles", "'5 miles' is no number in km"),
        (item("18"), "18 apples", "'18 apples' is no number"),
        (item("true", "boolean"), "perhaps", "'perhaps' is not yes, no, true or false"),
        (item("A", "choice", choices={"A": "x", "B": "y"}), "A or B", "'A or B' names no one option"),
        (item("5", "expression"), "9^{9^{9}}", "holds '9^{9^{9', a number of more than 10000 digits"),
        (item("5", "expression"), "five", "holds the word 'five'"),
        (item("5", "expression"), "\0", "holds the character U+0000"),
    ],
)
def test_a_difference_that_is_not_plain_says_why(asked: EvaluationItem, given: str, detail: str) -> None:
    found = compare_answer(asked, given)

    assert found is not None
    assert (found.outcome, found.detail) == ("different", detail)


@pytest.mark.parametrize(
    ("asked", "given", "detail"),
    [
        (item("many"), "18", "the expected answer 'many' is no number"),
        (item("Z", "choice", choices={"A": "x"}), "A", "the expected answer 'Z' names no one option"),
        (item("maybe", "boolean"), "yes", "the expected answer 'maybe' is not true or false"),
        (item("7!!", "expression"), "105", "the expected answer holds '!!', which cannot be read"),
    ],
)
def test_an_expected_answer_that_is_not_of_its_type_is_an_error_of_the_item(
    asked: EvaluationItem, given: str, detail: str
) -> None:
    found = compare_answer(asked, given)

    assert found is not None
    assert (found.outcome, found.detail) == ("error", detail)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (item("0.5"), r"\frac{3}{2} - 1"),
        (item(r"2\sqrt{5}"), "4.47"),
        (item("8"), "2^3"),
        (item("x + 1", "expression"), "1 + x"),
        (item(r"2\pi", "expression", unit="cm"), r"2\pi \text{ cm}"),
    ],
)
def test_a_formula_is_left_to_the_solver(asked: EvaluationItem, given: str) -> None:
    assert compare_answer(asked, given) is None


def test_an_answer_far_too_long_is_different_unread() -> None:
    start = time.process_time()
    verdicts = [compare_answer(item("5", kind), "5" * 1_000_000) for kind in ANSWER_TYPES if kind != "choice"]

    assert set(verdicts) == {Verdict("different", "length", "has 1000000 characters, more than 4000")}
    assert time.process_time() - start < 1


def test_an_expected_answer_may_be_long() -> None:
    assert compare_answer(item("a" * 40_000, "text"), "A" * 40_000) == Verdict("equal", "text")


@pytest.mark.parametrize("answer_type", ANSWER_TYPES)
@given(answer=st.text(max_size=60))
def test_any_text_has_a_verdict_or_is_a_formula(answer_type: AnswerType, answer: str) -> None:
    asked = item("true" if answer_type == "boolean" else "5", answer_type, unit="km")

    found = compare_answer(asked, answer)

    assert found is None or found.outcome in {"equal", "different"}


@given(value=st.fractions(-(10**6), 10**6, max_denominator=1_000), unit=st.sampled_from([None, "km", "%"]))
def test_every_number_equals_itself_with_and_without_its_unit(value: object, unit: str | None) -> None:
    asked = item(str(value), unit=unit)

    for answer in (str(value), rf"\boxed{{{value}}}", f"${value}$", *([f"{value} {unit}"] if unit else [])):
        assert compare_answer(asked, answer) == Verdict("equal", "number")


@pytest.mark.usefixtures("no_solver")
def test_plain_answers_start_no_solver() -> None:
    answers = [(item(str(number)), f"{number:,}.00") for number in range(2_000)]

    assert compare_answers(answers) == [Verdict("equal", "number")] * 2_000


def test_a_question_is_solved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def note(self: object, expected: str, given: str) -> Verdict:
        asked.append((expected, given))
        return Verdict("timeout", "math")

    monkeypatch.setattr(equality.Solver, "compare", note)
    sums = [(item("x + 1", "expression"), "1 + x"), (item("y", "expression"), "1 + x")]

    assert compare_answers([*sums, *sums]) == [Verdict("timeout", "math")] * 4
    assert asked == [("x + 1", "1 + x"), ("y", "1 + x")]


def test_the_solver_decides_what_is_left() -> None:
    answers = [
        (item("18"), "18"),
        (item("x + 1", "expression"), "1 + x"),
        (item("3n + 2.", "expression"), "2 + 3n."),  # a full stop at the end belongs to neither
        (item("0.5"), r"\frac{3}{2} - 1"),
        (item(r"2\pi", "expression", unit="cm"), r"2\pi \text{ cm}"),
        (item("x", "expression"), ENDLESS),
        (item("x", "expression"), "2x"),
    ]

    verdicts = compare_answers(answers, limit_s=0.5)

    assert [verdict.outcome for verdict in verdicts] == ["equal"] * 5 + ["timeout", "different"]
    assert verdicts[5].detail == "took more than 0.5 s"


def hostile_answers(path: str) -> list[str]:
    """Return 200 different answers that mean harm: some are refused at sight, some have to be stopped."""
    code = [
        f"__import__('os').system('touch {path}')",
        rf"\text{{__import__('os').system('touch {path}')}}",
        f"exec(open('{path}', 'w'))",
        f"$5$; import os; os.environ['HOSTILE'] = '{path}'",
        rf"\operatorname{{open}}({path}, w)",
    ]
    refused = [
        *(f"9^{{9^{{{n}}}}}" for n in range(9, 29)),
        *(f"{n}!!" for n in range(20, 40)),
        *(f"{n}!" for n in range(10_000, 10_020)),
        *("(" * n + "1" + ")" * n for n in range(50, 70)),
        *("9" * n for n in range(1_000, 1_020)),
        *(f"{n}\0" for n in range(10)),
        *(f"{n}\ud800" for n in range(10)),
        *("x" * 1_000_000 + str(n) for n in range(5)),
        *(rf"\sqrt{{{n}" for n in range(20)),
        *(r"\sqrt{" * n + "2" + "}" * n for n in range(5, 25)),
        *(f"{text} + {n}" for text in code for n in range(5)),
    ]
    endless = [rf"\binom{{1000000000}}{{{n}}}" for n in range(500_000_000, 500_000_010)]
    return [*refused, *endless]


@pytest.mark.slow
def test_hostile_answers_cost_the_others_nothing(tmp_path) -> None:
    path, limit_s = tmp_path / "touched", 0.5
    honest = [
        *((item(str(n)), f"{n + n % 2}.0") for n in range(700)),
        *((item(rf"\frac{{x}}{{{n}}}", "expression"), f"x/{n + n % 2}") for n in range(2, 102)),
    ]
    hostile = [(item("5", "expression"), answer) for answer in hostile_answers(str(path))]
    mixed = random.Random(0).sample([*honest, *hostile], len(honest) + len(hostile))

    alone = dict(zip(keys_of(honest), compare_answers(honest, limit_s=limit_s), strict=True))
    start = time.monotonic()
    verdicts = dict(zip(keys_of(mixed), compare_answers(mixed, limit_s=limit_s), strict=True))
    wall_s = time.monotonic() - start

    assert (len(honest), len(hostile)) == (800, 200)
    assert sorted(verdict.outcome for verdict in alone.values()) == ["different"] * 400 + ["equal"] * 400
    assert {key: verdicts[key] for key in alone} == alone
    assert {verdicts[key].outcome for key in keys_of(hostile)} == {"different", "timeout"}
    assert wall_s < 60
    assert not path.exists()
    assert "HOSTILE" not in os.environ


def keys_of(answers: list[tuple[EvaluationItem, str]]) -> list[tuple[str, str]]:
    return [(asked.final_answer, given) for asked, given in answers]
