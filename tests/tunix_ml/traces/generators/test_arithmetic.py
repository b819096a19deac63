from collections import Counter

from tunix_ml.contracts.recipe import GeneratorSource
from tunix_ml.traces.generators.arithmetic import ADDITION, SUBTRACTION, WORD_PROBLEM
from tunix_ml.traces.generators.catalog import generate

SOURCE = GeneratorSource(kind="generator", generator="arithmetic", seed=1, num_traces=2_000)


def test_a_sum_is_short_and_digit_by_digit():
    problem = ADDITION.tell({"a": 347, "b": 268})

    assert problem.prompt == "What is 347 + 268?"
    assert problem.steps == (
        "347+268",
        "ones: 7+8+0=15, write 5 carry 1",
        "tens: 4+6+1=11, write 1 carry 1",
        "hundreds: 3+2+1=6, write 6",
        "347+268=615",
    )


def test_a_difference_names_its_borrows():
    problem = SUBTRACTION.tell({"a": 347, "b": 268})

    assert problem.steps == (
        "347-268",
        "ones: 7-8-0=-1, write 9 borrow 1",
        "tens: 4-6-1=-3, write 7 borrow 1",
        "hundreds: 3-2-1=0, write 0",
        "347-268=79",
    )
    assert problem.final_answer == "79"


def test_a_story_is_first_restated_as_an_operation():
    operands = {"operation": "-", "story": 2, "a": 500, "b": 123, "things": "eggs"}

    problem = WORD_PROBLEM.tell(operands)

    assert problem.prompt == "A shop had 500 eggs and sold 123 of them. How many eggs remain?"
    assert problem.steps[0] == "500-123"
    assert problem.final_answer == WORD_PROBLEM.recompute(operands) == "377"


def test_every_operand_has_three_digits_and_no_answer_is_negative():
    for trace in generate(SOURCE):
        assert all(100 <= trace.meta["operands"][name] <= 999 for name in ("a", "b"))
        assert int(trace.final_answer) >= 0


def test_shares_and_lengths_are_those_a_small_model_needs():
    traces = list(generate(SOURCE))
    lengths = [len("\n".join(step.content for step in trace.steps)) for trace in traces]

    assert Counter(trace.meta["family"] for trace in traces) == {
        "addition": 800,
        "subtraction": 600,
        "word_problem": 600,
    }
    assert max(lengths) <= 115
