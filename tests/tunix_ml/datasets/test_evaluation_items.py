import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunix_ml.contracts.evaluation_set import EvaluationItem, EvaluationSetRecipe
from tunix_ml.datasets.evaluation_items import (
    EvaluationSetRefused,
    answer_type_of,
    item_problems,
    read_items,
)
from tunix_ml.traces.lines import MAX_LINE_BYTES, SourceError

Read = Callable[..., list[EvaluationItem]]
SUM: dict[str, Any] = {"item_id": "a", "prompt": "2 + 3?", "final_answer": "5", "answer_type": "number"}
ANIMALS = {"A": "a cat", "B": "a dog"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """A function that writes records, or lines as they are, and reads them as items."""

    def write_and_read(*records: Any, **recipe: Any) -> list[EvaluationItem]:
        lines = [record if isinstance(record, bytes) else msgspec.json.encode(record) for record in records]
        (tmp_path / "mine.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        fields = {"description": "Questions.", "license": "CC0-1.0", "path": "mine.jsonl", **recipe}
        return read_items(tmp_path / "mine.jsonl", EvaluationSetRecipe.model_validate(fields))

    return write_and_read


def complaint(read: Read, *records: Any, **recipe: Any) -> str:
    with pytest.raises(EvaluationSetRefused) as refused:
        read(*records, **recipe)
    return str(refused.value)


def test_items_are_read_by_id_whatever_their_order(read: Read) -> None:
    items = read({**SUM, "item_id": "b"}, b"", {**SUM, "cluster": "both"}, b"  ")

    assert [(item.item_id, item.cluster) for item in items] == [("a", "both"), ("b", "b")]


def test_what_a_line_does_not_say_has_its_default(read: Read) -> None:
    (item,) = read({"item_id": "a", "prompt": "Why?", "final_answer": "so"})

    assert (item.answer_type, item.steps, item.unit, item.choices) == ("text", (), None, {})
    assert item.section == item.category == item.difficulty == "all"


def test_a_gzip_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(SUM)))
    recipe = EvaluationSetRecipe(description="d", license="MIT", path=path.name)

    assert [item.item_id for item in read_items(path, recipe)] == ["a"]


@pytest.mark.parametrize(
    "item",
    [
        {**SUM, "final_answer": "-1,200.5", "unit": "km"},
        {**SUM, "final_answer": "3/4"},
        {**SUM, "answer_type": "boolean", "final_answer": "false"},
        {**SUM, "answer_type": "choice", "final_answer": "B", "choices": ANIMALS},
        {**SUM, "answer_type": "list", "final_answer": "3, 1, 3"},
        {**SUM, "answer_type": "set", "final_answer": "none"},
        {**SUM, "answer_type": "set", "final_answer": "1,200; 5"},
        {**SUM, "answer_type": "expression", "final_answer": "x^2 + 1"},
        {**SUM, "answer_type": "text", "final_answer": "Jon"},
    ],
)
def test_an_answer_of_each_type_is_taken(read: Read, item: dict[str, Any]) -> None:
    assert item_problems(read(item)[0]) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"answer_typ": "number"}, "Object contains unknown field `answer_typ`, the keys are answer_typ"),
        (
            {"answer_type": "numbr"},
            "Invalid enum value 'numbr' - at `$.answer_type`, got 'numbr', expected one of number",
        ),
        ({"prompt": ""}, "Expected `str` of length >= 1 - at `$.prompt`, got ''"),
        ({"prompt": "  "}, "prompt is '  ', expected a text"),
        ({"prompt": 7}, "Expected `str`, got `int` - at `$.prompt`, got 7"),
        ({"prompt": "?" * 50_001}, "Expected `str` of length <= 50000 - at `$.prompt`, got '???"),
        ({"item_id": "i" * 129}, "Expected `str` of length <= 128 - at `$.item_id`"),
        ({"steps": ["first", " "]}, "steps[1] is ' ', expected a text"),
        ({"steps": ["first", ""]}, "Expected `str` of length >= 1 - at `$.steps[1]`, got ''"),
        ({"section": " "}, "section is ' ', expected a text"),
        ({"final_answer": "five"}, "final_answer is 'five', expected a number"),
        ({"final_answer": "5 km"}, "final_answer is '5 km', expected a number"),
        ({"answer_type": "boolean", "final_answer": "yes"}, "final_answer is 'yes', expected true or false"),
        (
            {"answer_type": "list", "final_answer": "1,, 2"},
            "final_answer is '1,, 2', expected elements with a comma",
        ),
        (
            {"answer_type": "set", "final_answer": "1,"},
            "final_answer is '1,', expected elements with a comma",
        ),
        (
            {"answer_type": "choice", "final_answer": "C", "choices": ANIMALS},
            "final_answer is 'C', expected one of the choices' labels: 'A', 'B'",
        ),
        (
            {"answer_type": "choice", "final_answer": "A", "choices": {"A": "a cat"}},
            "choices has 1 entries, expected at least 2",
        ),
        (
            {"answer_type": "choice", "final_answer": "A", "choices": {"A": "a cat", "B": " "}},
            "choices.B is ' ', expected a text",
        ),
        ({"choices": ANIMALS}, "choices has 2 entries, expected none for answer_type 'number'"),
        ({"answer_type": "text", "unit": "km"}, "unit is 'km', expected none for answer_type 'text'"),
        ({"unit": " "}, "unit is ' ', expected a text"),
    ],
)
def test_a_bad_line_is_refused_naming_line_field_value_and_expectation(
    read: Read, changes: dict[str, Any], problem: str
) -> None:
    message = complaint(read, {**SUM, "item_id": "fine"}, {**SUM, **changes})

    assert "mine.jsonl has 1 problems:\n  mine.jsonl line 2: " in message
    assert problem in message


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"not json", "line 1: Expecting value at character 0 of 8"),
        (b'{"item_id": "a", "item_id": "b"}', "line 1: key 'item_id' is given 2 times in one object"),
        (b'["a"]', "line 1: the line holds '[\"a\"]', expected an object"),
        (b'{"item_id": "\\u0000"}', "holds a NUL character"),
        (b'{"item_id": "\xff"}', "is not UTF-8"),
        (b'{"item_id": "a"}', "line 1: Object missing required field `prompt`, the keys are item_id"),
        (b" " * MAX_LINE_BYTES + b"{}", f"line 1: the line has {MAX_LINE_BYTES + 2} bytes, expected at most"),
    ],
)
def test_a_line_that_is_no_record_is_refused(read: Read, line: bytes, problem: str) -> None:
    assert problem in complaint(read, line)


def test_an_id_given_twice_is_refused_naming_both_lines(read: Read) -> None:
    message = complaint(read, SUM, {**SUM, "item_id": "b"}, {**SUM, "prompt": "1 + 4?"})

    assert message.endswith("line 3: item_id is 'a', as on line 1, expected one of its own")


def test_all_problems_are_counted_and_the_first_ones_named(read: Read) -> None:
    bad = [{**SUM, "item_id": str(i), "final_answer": "x" * 100, "unit": " "} for i in range(30)]

    message = complaint(read, *bad)

    assert "has 60 problems" in message
    assert len(message.splitlines()) == 1 + 20 + 1
    assert message.endswith("\n  … and 40 more")
    assert max(map(len, message.splitlines())) < 300


def test_a_file_without_an_item_is_refused(read: Read) -> None:
    assert complaint(read, b"").endswith("mine.jsonl holds no item")


def test_a_file_that_cannot_be_read_to_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(SUM))[:-9])

    with pytest.raises(SourceError, match="cannot be read beyond"):
        read_items(path, EvaluationSetRecipe(description="d", license="MIT", path=path.name))


# Foreign records

MAPPED: dict[str, Any] = {
    "format": "mapped",
    "mapping": {
        "item_id": {"field": "id"},
        "prompt": {"field": "question.text"},
        "final_answer": {"field": "answer", "pattern": "#### (.+)", "remove": ","},
        "steps": {"field": "answer", "pattern": "(?s)^(.*)\n#### "},
        "section": {"field": "topic"},
        "unit": {"constant": "eggs"},
    },
}
FARM = {"id": 7, "question": {"text": "Eggs?"}, "answer": "3 * 400\n= 1,200\n#### 1,200", "topic": "farm"}


def test_a_foreign_record_becomes_an_item(read: Read) -> None:
    (item,) = read(FARM, **MAPPED)

    assert (item.item_id, item.prompt, item.section, item.unit) == ("7", "Eggs?", "farm", "eggs")
    assert (item.final_answer, item.answer_type) == ("1200", "number")
    assert item.steps == ("3 * 400", "= 1,200")


def test_a_foreign_record_without_an_id_is_named_by_question_and_answer(read: Read) -> None:
    mapping = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}}
    records = [{"q": "Who?", "a": "I"}, {"q": "Who?", "a": "you"}]

    first, second = read(*records, format="mapped", mapping=mapping)
    (again,) = read(records[0], format="mapped", mapping=mapping)

    assert {len(first.item_id), len(second.item_id)} == {32}
    assert again.item_id in {first.item_id, second.item_id}
    assert first.answer_type == "text"


def test_a_log_of_several_systems_gives_each_item_once(read: Read) -> None:
    mapping = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}}
    records = [{"q": "Who?", "a": "I", "by": by} for by in ("one", "two")]
    other = {"item_id": {"field": "q"}, **mapping}

    assert len(read(*records, format="mapped", mapping=mapping)) == 1
    assert "item_id is 'Who?', as on line 1, expected one of its own" in complaint(
        read, records[0], {**records[0], "a": "you"}, format="mapped", mapping=other
    )


def test_a_recipe_may_mean_only_some_records(read: Read) -> None:
    mapping = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}}
    records = [{"q": f"Who {number}?", "a": "I", "part": part} for number, part in enumerate("xyx")]

    items = read(*records, format="mapped", mapping=mapping, where={"part": "x"})

    assert sorted(item.prompt for item in items) == ["Who 0?", "Who 2?"]


def test_foreign_choices_are_mapped_by_their_labels(read: Read) -> None:
    mapping = {
        "prompt": {"field": "q"},
        "final_answer": {"field": "key"},
        "choices": {"A": {"field": "options.0"}, "B": {"field": "options.1"}},
    }
    record = {"q": "Which?", "key": "B", "options": ["a cat", "a dog"]}

    (item,) = read(record, format="mapped", mapping=mapping, answer_type="choice")

    assert (item.choices, item.final_answer) == (ANIMALS, "B")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"answer": "none"}, "line 1: final_answer from 'answer' is 'none', without a match of '#### (.+)'"),
        (
            {"question": "Eggs?"},
            "line 1: there is no field 'question.text': it has no 'text'; what is there is 'Eggs?'",
        ),
        ({"answer": "It is\n#### many"}, "line 1: final_answer is 'many', expected a number"),
    ],
)
def test_a_foreign_record_that_does_not_fit_is_refused(
    read: Read, changes: dict[str, Any], problem: str
) -> None:
    assert problem in complaint(read, {**FARM, **changes}, **MAPPED, answer_type="number")


@pytest.mark.parametrize(
    ("answer", "answer_type"), [("1,200", "number"), ("10%", "number"), ("ten", "text"), ("1 or 2", "text")]
)
def test_an_answer_that_declares_no_type_is_a_number_where_it_reads_as_one(
    answer: str, answer_type: str
) -> None:
    assert answer_type_of(answer) == answer_type


@pytest.mark.parametrize(
    ("choices", "found"),
    [
        ({"A": "a cat", "a": "a dog"}, "expected ones that differ in more than case"),
        ({"A": "a cat", "B": "A cat."}, "two options of one text"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(
    read: Read, choices: dict[str, str], found: str
) -> None:
    item = {**SUM, "answer_type": "choice", "final_answer": "A", "choices": choices}

    assert found in complaint(read, item)


def test_a_boolean_of_a_foreign_record_is_spelled_as_ours(read: Read) -> None:
    mapping = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}}
    records = [{"q": f"Is it {number}?", "a": answer} for number, answer in enumerate([True, "No", "TRUE"])]

    items = read(*records, format="mapped", mapping=mapping, answer_type="boolean")

    assert sorted(item.final_answer for item in items) == ["false", "true", "true"]
