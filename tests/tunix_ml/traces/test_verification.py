import copy

import msgspec
import pytest

from tunix_ml.contracts.recipe import GeneratorSource
from tunix_ml.contracts.trace import Trace
from tunix_ml.traces.generators.catalog import GENERATORS, generate
from tunix_ml.traces.verification import verify_generated

TRACES = [
    trace
    for name in GENERATORS
    for trace in generate(GeneratorSource(kind="generator", generator=name, seed=5, num_traces=40))
]


def tampered(trace: Trace, **changes) -> Trace:
    return msgspec.structs.replace(trace, **changes)


def with_meta(trace: Trace, **changes) -> Trace:
    return tampered(trace, meta=copy.deepcopy(trace.meta) | changes)


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_traces_have_no_problem_even_after_a_round_trip_through_json(name):
    traces = generate(GeneratorSource(kind="generator", generator=name, seed=11, num_traces=150))

    for trace in traces:
        read_back = msgspec.json.decode(msgspec.json.encode(trace), type=Trace)
        assert verify_generated(read_back) == []


def test_a_changed_digit_in_any_step_is_a_problem():
    for trace in TRACES:
        for index, step in enumerate(trace.steps):
            digits = [place for place, char in enumerate(step.content) if char in "0123456789"]
            for place in digits:
                digit = str((int(step.content[place]) + 1) % 10)
                content = step.content[:place] + digit + step.content[place + 1 :]
                steps = list(trace.steps)
                steps[index] = msgspec.structs.replace(step, content=content)
                assert verify_generated(tampered(trace, steps=tuple(steps))), content


def test_another_answer_prompt_or_number_of_steps_is_a_problem():
    for trace in TRACES:
        assert verify_generated(tampered(trace, final_answer=trace.final_answer + "1"))
        assert verify_generated(tampered(trace, prompt=trace.prompt.replace("?", "!") + " "))
        assert verify_generated(tampered(trace, steps=trace.steps[:-1] or trace.steps * 2))


def test_any_changed_or_missing_operand_is_a_problem():
    for trace in TRACES:
        operands = trace.meta["operands"]
        for name, value in operands.items():
            changed = value + 1 if isinstance(value, int) else value * 2
            assert verify_generated(with_meta(trace, operands=operands | {name: changed})), name
            missing = {other: operands[other] for other in operands if other != name}
            assert verify_generated(with_meta(trace, operands=missing)), name


def test_a_wrong_sum_is_named_with_its_value():
    (trace,) = generate(GeneratorSource(kind="generator", generator="arithmetic", seed=1, num_traces=1))
    assert trace.steps[-1].content == "711+256=967"
    last = msgspec.structs.replace(trace.steps[-1], content="711+256=968")

    problems = verify_generated(tampered(trace, steps=(*trace.steps[:-1], last)))

    assert "steps[4] claims '711+256 = 968', which comes to 967" in problems


@pytest.mark.parametrize(
    "meta",
    [
        None,
        {},
        {"family": "addition"},
        {"family": "unheard_of", "operands": {}},
        {"family": ["addition"], "operands": {}},
        {"family": "addition", "operands": [1, 2], "generator": "arithmetic@1"},
        {"family": "addition", "operands": {"a": "x", "b": None}, "generator": "arithmetic@1"},
        {"family": "addition", "operands": {"a": 711, "b": 256}, "generator": "arithmetic@0"},
    ],
)
def test_a_trace_that_no_generator_made_is_a_problem(meta):
    (trace,) = generate(GeneratorSource(kind="generator", generator="arithmetic", seed=1, num_traces=1))

    assert verify_generated(tampered(trace, meta=meta))


def test_a_step_without_its_promised_arithmetic_is_a_problem():
    (trace,) = generate(GeneratorSource(kind="generator", generator="arithmetic", seed=1, num_traces=1))
    first = msgspec.structs.replace(trace.steps[1], content="trust me")

    problems = verify_generated(tampered(trace, steps=(trace.steps[0], first, *trace.steps[2:])))

    assert any("holds no arithmetic to check" in problem for problem in problems)
