from tunix_ml.contracts.trace import DatasetTrace, Split, Trace, TraceStep
from tunix_ml.datasets.contamination import prompts_in_several_splits


def row(prompt: str, split: Split) -> DatasetTrace:
    trace = Trace("1.0", prompt, "5", (TraceStep(0, "reasoning", "2 + 3 = 5."),))
    return DatasetTrace(trace.trace_id(), split, trace, "test", 1)


def test_a_question_in_two_splits_is_found_whatever_its_spelling() -> None:
    rows = [row("What is 2 + 3?", "train"), row("what  is 2 + 3?", "test"), row("Another?", "test")]

    assert prompts_in_several_splits(rows) == {"what is 2 + 3?": {"train", "test"}}


def test_a_question_twice_in_one_split_is_no_contamination() -> None:
    assert prompts_in_several_splits([row("What?", "train"), row("What?", "train")]) == {}
