from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Split, Trace, TraceStep
from tunix_ml.datasets.contamination import prompts_in_several_splits, trained_on
from tunix_ml.datasets.read import Dataset
from tunix_ml.store import Snapshot


def row(prompt: str, split: Split) -> DatasetTrace:
    trace = Trace("1.0", prompt, "5", (TraceStep(0, "reasoning", "2 + 3 = 5."),))
    return DatasetTrace(trace.trace_id(), split, trace, "test", 1)


def test_a_question_in_two_splits_is_found_whatever_its_spelling() -> None:
    rows = [row("What is 2 + 3?", "train"), row("what  is 2 + 3?", "test"), row("Another?", "test")]

    assert prompts_in_several_splits(rows) == {"what is 2 + 3?": {"train", "test"}}


def test_a_question_twice_in_one_split_is_no_contamination() -> None:
    assert prompts_in_several_splits([row("What?", "train"), row("What?", "train")]) == {}


def test_an_item_is_trained_on_if_its_question_stands_in_the_train_split_alone(golden: Snapshot) -> None:
    questions = {split: Dataset(golden).split(split)[0].trace.prompt for split in SPLITS}
    items = [EvaluationItem(split, f"  {text.upper()}", "5") for split, text in questions.items()]

    assert trained_on(items, golden) == ["train"]
