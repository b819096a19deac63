from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.contamination import Question, prompts_in_several_splits, read_questions, trained_on
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot


def test_a_question_in_two_splits_is_found_whatever_its_spelling() -> None:
    questions = [
        Question("train", "What is 2 + 3?"),
        Question("test", "what  is 2 + 3?"),
        Question("test", "Another?"),
    ]

    assert prompts_in_several_splits(lambda: questions) == {"what is 2 + 3?": {"train", "test"}}


def test_a_question_twice_in_one_split_is_no_contamination() -> None:
    questions = [Question("train", "What?"), Question("train", "What?")]

    assert prompts_in_several_splits(lambda: questions) == {}


def test_questions_without_a_suspect_are_read_once() -> None:
    readings = []

    def read() -> list[Question]:
        readings.append("once")
        return [Question("train", "What?"), Question("test", "Why?")]

    assert (prompts_in_several_splits(read), readings) == ({}, ["once"])


def test_the_questions_of_a_dataset_are_all_of_them_with_their_splits(golden: Snapshot) -> None:
    rows = Dataset(golden).rows

    assert list(read_questions(Dataset(golden))) == [(row.split, row.trace.prompt) for row in rows]


def test_an_item_is_trained_on_if_its_question_stands_in_the_train_split_alone(golden: Snapshot) -> None:
    questions = {split: Dataset(golden).split(split)[0].trace.prompt for split in SPLITS}
    items = [EvaluationItem(split, f"  {text.upper()}", "5") for split, text in questions.items()]

    assert trained_on(items, golden) == ["train"]
