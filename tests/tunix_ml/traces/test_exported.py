from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.recipe import JsonlSource
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.exported import from_trace_export, from_tunix_sft
from tunix_ml.traces.mapping import to_trace

TRACE = Trace(
    "1.1",
    "How many?\nCount.",
    "3",
    (TraceStep(4, "count", "one, two\nand three"), TraceStep(2, "check", "1 + 2 = 3")),
    {"family": "counting"},
)
PIECES = st.sampled_from(["a", "1. ", "2. ", "3", "\n", " ", "Answer: ", "<end_of_turn>"])
TEXTS = st.lists(PIECES, min_size=1, max_size=8).map("".join).filter(str.strip)


def metadata(trace: Trace) -> dict:
    return {
        "trace_version": trace.trace_version,
        "split": "train",
        "step_indices": [step.i for step in trace.steps],
        "step_types": [step.type for step in trace.steps],
        "meta": trace.meta,
    }


def trace_line(trace: Trace) -> dict:
    return {
        "id": trace.trace_id(),
        "prompts": trace.prompt,
        "trace_steps": [step.content for step in trace.steps],
        "final_answer": trace.final_answer,
        "metadata": metadata(trace),
    }


def sft_line(trace: Trace, **changes) -> dict:
    steps = "".join(f"{number}. {step.content}\n" for number, step in enumerate(trace.steps, start=1))
    text = (
        f"<start_of_turn>user\n{trace.prompt}<end_of_turn>\n"
        f"<start_of_turn>model\nReasoning:\n{steps}Answer: {trace.final_answer}<end_of_turn>"
    )
    line = {"id": "1", "prompts": text, "final_answer": trace.final_answer}
    return line | {"metadata": metadata(trace) | {"format": "tunix_sft"}} | changes


def ingested(line: dict, export_format: str) -> Trace:
    return to_trace(line, JsonlSource(kind="jsonl", path="x", format=export_format))


@pytest.mark.parametrize("meta", [None, {}, {"family": "counting", "format": "x"}])
def test_both_exports_of_a_trace_give_the_same_trace_again(meta):
    trace = Trace(TRACE.trace_version, TRACE.prompt, TRACE.final_answer, TRACE.steps, meta)

    assert ingested(trace_line(trace), "trace").trace_id() == trace.trace_id()
    assert ingested(sft_line(trace), "tunix_sft").trace_id() == trace.trace_id()


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4), TEXTS)
def test_a_dialogue_gives_back_its_trace_or_is_refused_but_never_another(prompt, contents, answer):
    steps = tuple(TraceStep(i, "t", content) for i, content in enumerate(contents))
    trace = Trace("1.0", prompt, answer, steps, None)

    with suppress(LineError):
        assert ingested(sft_line(trace), "tunix_sft") == trace


def test_a_line_of_another_system_keeps_its_metadata_whole():
    line = sft_line(TRACE, metadata={"source": "old", "meta": 1})

    trace = ingested(line, "tunix_sft")

    assert trace.meta == {"source": "old", "meta": 1}
    assert [(step.i, step.type) for step in trace.steps] == [(0, "reasoning"), (1, "reasoning")]
    assert [step.content for step in trace.steps] == ["one, two\nand three", "1 + 2 = 3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"final_answer": "4"}, "the text answers '3', but final_answer is '4'"),
        ({"prompts": "How many?"}, "no user turn and model turn"),
        (
            {"metadata": {"step_types": ["t"]}},
            "metadata.step_types is ['t'], expected one for each of 2 steps",
        ),
        ({"metadata": {"step_indices": 3}}, "metadata.step_indices is 3"),
        ({"metadata": None}, "not a TunixSftExport: Expected `object`, got `null` - at `$.metadata`"),
        ({"extra": 1}, "keys ['extra'] are not of a TunixSftExport"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(LineError) as caught:
        from_tunix_sft(sft_line(TRACE, **changes))

    assert caught.value.code == "mapping"
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (["a\n2. b", "c"], "numbered [1, 2, 2]"),
        (["a\n7. b"], "numbered [1, 7]"),
        (["a\n2. b"], "expected one for each of 2 steps"),
        (["a\nAnswer: 3"], "`Answer:` line among the steps"),
        (["a<end_of_turn>\nb"], "turn mark inside"),
    ],
)
def test_a_dialogue_that_can_be_read_in_two_ways_is_refused(contents, message):
    steps = tuple(TraceStep(i, "t", content) for i, content in enumerate(contents))

    with pytest.raises(LineError) as caught:
        from_tunix_sft(sft_line(Trace("1.0", "Q", "3", steps, None)))

    assert message in caught.value.message


def test_a_trace_export_with_unknown_keys_is_refused():
    with pytest.raises(LineError, match=r"keys \['score'\] are not of a TraceExport"):
        from_trace_export(trace_line(TRACE) | {"score": 1})
