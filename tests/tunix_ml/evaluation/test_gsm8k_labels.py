"""Agreement with labels given elsewhere: four systems of Cobbe et al. 2021 on the test items of GSM8K."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation.answers.equality import compare_answers
from tunix_ml.evaluation.answers.extract import find_answer

GSM8K = Path(os.environ.get("GSM8K_DIR") or Path(__file__).parents[4] / "shared" / "data" / "gsm8k")
SOLUTIONS = GSM8K / "example_model_solutions.jsonl"
NUM_RIGHT = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}
RULE = AnswerRule(kind="pattern", pattern=r"(?m)^A: (.*)$")


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="GSM8K is not here: set GSM8K_DIR")
@pytest.mark.parametrize(("system", "num_right"), [*NUM_RIGHT.items()])
def test_every_label_is_confirmed(system: str, num_right: int) -> None:
    with SOLUTIONS.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    labels = [record[system]["is_correct"] for record in records]

    given = [find_answer(record[system]["solution"], RULE).answer for record in records]
    verdicts = compare_answers(
        (item(record), answer or "") for record, answer in zip(records, given, strict=True)
    )

    assert [verdict.outcome == "equal" for verdict in verdicts] == labels
    assert Counter(labels) == {True: num_right, False: 1_319 - num_right}


def item(record: dict[str, str]) -> EvaluationItem:
    answer = find_answer(record["ground_truth"], RULE).answer
    assert answer is not None
    return EvaluationItem("item", record["question"], answer, "number")
