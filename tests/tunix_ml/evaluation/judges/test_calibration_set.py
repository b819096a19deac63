import json
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.judges import calibration_set
from tunix_ml.evaluation.judges.calibration_set import pairs_of, read_calibration_set, shipped_calibration_set

LINE = {"text_id": "01a", "question": "2 + 2?", "answer": "4", "text": "4", "label": "correct"}


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "set.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_labelled_texts_are_read_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path, LINE, {**LINE, "text_id": "01b", "text": "5", "label": "incorrect"})

    assert [(one.text_id, one.label) for one in read_calibration_set(path)] == [
        ("01a", "correct"),
        ("01b", "incorrect"),
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "has no text"),
        ([LINE, LINE], "has 2 texts '01a', expected one"),
        ([LINE | {"label": "right"}], "breaks its contract: Invalid enum value 'right'"),
        (["a text"], "breaks its contract"),
    ],
)
def test_a_set_outside_the_contract_is_refused(tmp_path: Path, lines: list[Any], problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        read_calibration_set(write(tmp_path, *lines))


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"calibration set .*nowhere\.jsonl cannot be read"):
        read_calibration_set(tmp_path / "nowhere.jsonl")


def test_neighbours_about_one_question_are_pairs(tmp_path: Path) -> None:
    other = {**LINE, "question": "3 + 3?", "answer": "6"}
    ids = ["a", "b", "c"]
    lines = [{**LINE, "text_id": f"01{name}"} for name in ids] + [{**other, "text_id": "02a"}]

    pairs = pairs_of(read_calibration_set(write(tmp_path, *lines)))

    assert [pair.pair_id for pair in pairs] == ["01a/01b", "01b/01c"]


# The set that comes with the package


def test_the_shipped_set_is_large_balanced_and_of_distinct_texts() -> None:
    texts = read_calibration_set(shipped_calibration_set())

    assert Counter(one.label for one in texts) == {"correct": 40, "incorrect": 40}
    assert len(pairs_of(texts)) == 60
    assert len({(one.question, one.text) for one in texts}) == len(texts)
    assert len({one.question for one in texts}) == 20


def test_the_length_of_a_shipped_text_does_not_tell_its_label() -> None:
    texts = read_calibration_set(shipped_calibration_set())
    middle = statistics.median(len(one.text) for one in texts)

    longer = Counter(one.label for one in texts if len(one.text) > middle)

    assert longer == {"correct": 20, "incorrect": 20}


def test_some_shipped_texts_are_wrong_and_claim_to_be_right() -> None:
    texts = read_calibration_set(shipped_calibration_set())

    assert sum("CORRECT" in one.text and one.label == "incorrect" for one in texts) >= 2
    assert any("EXPECTED ANSWER" in one.text for one in texts)
    assert sum(one.answer in one.text and one.label == "incorrect" for one in texts) >= 3


def test_an_installed_package_has_the_set_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        calibration_set, "__file__", str(tmp_path / "tunix_ml" / "evaluation" / "judges" / "x.py")
    )

    assert shipped_calibration_set() == tmp_path / "tunix_ml" / "data" / "judging" / "calibration-v1.jsonl"
