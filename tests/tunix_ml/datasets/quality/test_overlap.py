import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tunix_ml.datasets.quality import overlap
from tunix_ml.datasets.quality.overlap import Overlap, Overlaps, find_overlaps
from tunix_ml.datasets.quality.questions import Questions
from tunix_ml.datasets.quality.words import Vocabulary

GSM8K = Path(os.environ.get("GSM8K_DIR") or Path(__file__).parents[5] / "shared" / "data" / "gsm8k")
needs_gsm8k = pytest.mark.skipif(
    not (GSM8K / "train.jsonl").exists(), reason="GSM8K is not here: set GSM8K_DIR"
)
STORY = (
    "Anna buys {} apples and {} pears at the market near the old bridge, gives half of them to her brother"
    " and eats one on her way home. How many does she have left in the end?"
)


def overlaps(items: list[str], training: list[str], *, generators: tuple[int, int] = (0, 0)) -> Overlaps:
    vocabulary = Vocabulary()
    arrays = []
    for prompts, generator in zip((items, training), generators, strict=True):
        questions = Questions(vocabulary)
        for prompt in prompts:
            questions.add(prompt, generator=generator)
        arrays.append(questions.arrays())
    return find_overlaps(*arrays, masks=vocabulary.masks())


def test_the_same_words_are_exact_whatever_their_case_and_spacing() -> None:
    found = overlaps(["What is 5 + 3?"], ["Who?", "  what is 5 + 3"])

    assert found == Overlaps([Overlap(0, "exact", 1.0, 1)], [])


def test_an_item_of_which_half_is_quoted_is_known() -> None:
    item = STORY.format(7, 8)
    quoting = "Once upon a time: " + item[: len(item) * 2 // 3] + ". The end."

    ((item_place, kind, coverage, question),) = overlaps([item], ["nothing of it", quoting]).found

    assert (item_place, kind, question) == (0, "ngram", 1)
    assert 0.5 <= coverage < 0.75


def test_an_item_of_which_less_than_half_is_quoted_is_clean() -> None:
    item = STORY.format(7, 8)

    found = overlaps([item], ["Before. " + " ".join(item.split()[:15]) + " after all, and so on."])

    assert found == Overlaps([], [])


def test_the_question_that_holds_most_is_named() -> None:
    item = STORY.format(7, 8)
    some, more = (" ".join(item.split()[:size]) + " and so on" for size in (22, 30))

    (found,) = overlaps([item], [some, more]).found

    assert found.question == 1


def test_an_item_with_other_numbers_is_renumbered() -> None:
    item = "On 3 days 4 boys and 5 girls eat 6 apples of 7 kinds in 8 minutes"

    found = overlaps([item], ["On 9 days 4 boys and 2 girls eat two apples of 30 kinds in 8 minutes"]).found

    assert [(one.kind, one.question) for one in found] == [("masked", 0)]


def test_questions_of_one_generator_share_their_wording_by_design() -> None:
    item, other = STORY.format(3, 4), STORY.format(5, 6)

    assert overlaps([item], [other], generators=(1, 1)).found == []
    assert overlaps([item], [item], generators=(1, 1)).found[0].kind == "exact"
    assert overlaps([item], [other], generators=(1, 2)).found[0].kind == "ngram"


def test_a_wording_of_many_questions_quotes_nobody_and_tells_nothing() -> None:
    template = [STORY.format(number, number + 1) for number in range(20, 31)]

    found = overlaps([STORY.format(3, 4)], template)

    assert [one.kind for one in found.found] == ["masked"]
    assert found.uncheckable == [0]


def test_items_too_short_to_judge_are_uncheckable_and_not_clean() -> None:
    found = overlaps(["What is 5 + 3?", "What is 6 + 3?", STORY.format(1, 2)], ["What is 5 + 3?"])

    assert [one.kind for one in found.found] == ["exact"]
    assert found.uncheckable == [1]


def test_nothing_is_held_by_nothing() -> None:
    assert overlaps([], []) == Overlaps([], [])
    assert overlaps([STORY.format(1, 2)], []) == Overlaps([], [])


@pytest.mark.parametrize("num_words", [1, 2, 40])
def test_questions_searched_in_parts_are_found_as_in_one(
    monkeypatch: pytest.MonkeyPatch, num_words: int
) -> None:
    template = [STORY.format(number, number + 1) for number in range(20, 31)]
    quoted = "Once upon a time a king gave each of his 3 sons a piece of land as large as 4 days on horse"
    items = [STORY.format(3, 4), quoted, "What is 5 + 3?", "Nobody asks that."]
    training = ["one thing", *template, quoted + " Say it.", quoted + " Again.", "what is 5 + 3", "the last"]
    whole = overlaps(items, training)

    monkeypatch.setattr(overlap, "_CHUNK_WORDS", num_words)

    assert overlaps(items, training) == whole
    assert [(one.kind, one.question) for one in whole.found] == [("masked", 1), ("ngram", 12), ("exact", 14)]
    assert whole.uncheckable == [0, 3]


@pytest.fixture(scope="module")
def gsm8k() -> dict[str, list[str]]:
    return {
        name: [json.loads(line)["question"] for line in (GSM8K / f"{name}.jsonl").read_bytes().splitlines()]
        for name in ("train", "test")
    }


@needs_gsm8k
def test_of_gsm8k_one_test_question_is_known_from_training_and_no_other(
    gsm8k: dict[str, list[str]],
) -> None:
    found = overlaps(gsm8k["test"], gsm8k["train"])

    assert [one.kind for one in found.found] == ["ngram"]
    assert gsm8k["test"][found.found[0].item].startswith("A plane travels 1200 miles in 3 hours.")
    assert gsm8k["train"][found.found[0].question].startswith("A train travels 270 miles in 3 hours.")
    assert found.uncheckable == []


@needs_gsm8k
def test_gsm8k_with_other_numbers_is_recognised_item_by_item(gsm8k: dict[str, list[str]]) -> None:
    reworded = [re.sub(r"\d+", lambda m: str(int(m[0]) % 90 + 5), prompt) for prompt in gsm8k["test"]]

    found = overlaps(gsm8k["test"], reworded)

    assert [one.item for one in found.found] == list(range(1319))
    assert Counter(one.question == one.item for one in found.found)[True] >= 1318
