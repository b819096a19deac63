import re
from pathlib import Path

import pytest
import yaml

from tunix_ml.contracts.recipe import JsonlSource, RecordMapping
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.mapping import is_meant, to_trace

REPOSITORY = Path(__file__).parents[3]
RAW = {
    "trace_version": "1.0",
    "prompt": "What is 2 + 3?",
    "final_answer": "5",
    "steps": [{"i": 0, "type": "calculate", "content": "2 + 3 = 5"}],
    "meta": {"k": [1, None]},
}
TRACES = JsonlSource(kind="jsonl", path="x", format="trace")
BASIC = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}, "steps": {"field": "s"}}
FOREIGN = {"q": "What is 2 + 3?", "a": "5", "s": "2 + 3\nis 5"}


def mapped(record, **changes):
    mapping = RecordMapping.model_validate(BASIC | changes)
    return to_trace(record, JsonlSource(kind="jsonl", path="x", format="mapped", mapping=mapping))


def failure(call, *args, **kwargs) -> LineError:
    with pytest.raises(LineError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_a_raw_trace_is_itself():
    assert to_trace(RAW, TRACES).record() == RAW | {"steps": tuple(RAW["steps"])}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": 7}, "Expected `str`, got `int` - at `$.prompt`, got 7"),
        ({"prompt": ""}, "length >= 1 - at `$.prompt`, got ''"),
        ({"prompt": " \t"}, "prompt must not be blank"),
        ({"final_answer": None}, "Expected `str`, got `null` - at `$.final_answer`"),
        ({"steps": []}, "length >= 1 - at `$.steps`, got []"),
        ({"steps": [{"i": 0, "type": "t", "content": "x"}] * 2}, "unique, 0 is repeated"),
        ({"steps": [{"i": -1, "type": "t", "content": "x"}]}, ">= 0 - at `$.steps[0].i`, got -1"),
        ({"steps": [{"i": "0", "type": "t", "content": "x"}]}, "got `str` - at `$.steps[0].i`, got '0'"),
        ({"steps": [{"i": 0, "type": "t", "content": "x" * 20_001}]}, "length <= 20000"),
        ({"steps": [{"i": 0, "type": "t", "content": "x", "score": 1}]}, "unknown field `score`"),
        ({"meta": []}, "at `$.meta`, got []"),
        ({"meta": {"n": 2**60}}, "no canonical JSON form"),
        ({"extra": 1}, "unknown field `extra`, the keys are extra, final_answer, meta"),
    ],
)
def test_a_raw_trace_that_breaks_the_contract_is_named_with_field_and_value(changes, message):
    error = failure(to_trace, RAW | changes, TRACES)

    assert error.code == "contract"
    assert message in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("missing", ["trace_version", "prompt", "final_answer", "steps"])
def test_a_missing_field_is_named(missing):
    error = failure(to_trace, {key: value for key, value in RAW.items() if key != missing}, TRACES)

    assert error.code == "contract"
    assert f"missing required field `{missing}`" in error.message


def test_a_foreign_record_is_mapped_and_its_text_split_into_steps():
    trace = mapped(FOREIGN)

    assert (trace.trace_version, trace.prompt, trace.final_answer) == ("1.0", "What is 2 + 3?", "5")
    assert [(step.i, step.type, step.content) for step in trace.steps] == [
        (0, "reasoning", "2 + 3"),
        (1, "reasoning", "is 5"),
    ]
    assert trace.meta is None


def test_paths_lead_into_objects_and_lists():
    record = {"d": {"turns": [{"text": "Q?"}, {"text": "A"}]}, "s": "because"}

    trace = mapped(record, prompt={"field": "d.turns.0.text"}, final_answer={"field": "d.turns.1.text"})

    assert (trace.prompt, trace.final_answer) == ("Q?", "A")


def test_pattern_keeps_its_group_and_remove_deletes_every_match():
    record = FOREIGN | {"a": "it is #### 1,000,000 dollars"}

    trace = mapped(record, final_answer={"field": "a", "pattern": r"#### (\S+)", "remove": ","})

    assert trace.final_answer == "1000000"


def test_constants_and_integers_become_texts():
    trace = mapped(FOREIGN | {"a": 5}, prompt={"constant": "Continue."})

    assert (trace.prompt, trace.final_answer) == ("Continue.", "5")


def test_a_template_is_filled_from_several_fields_and_lists_stand_a_line_each():
    record = FOREIGN | {"q": "Which?", "options": ["A) 1", "B) 2"], "n": {"of": 3}}

    trace = mapped(record, prompt={"template": "{q} {{of {n.of}}}\n{options}"})

    assert trace.prompt == "Which? {of 3}\nA) 1\nB) 2"


@pytest.mark.parametrize(("answer", "text"), [(1, "no"), ("1", "no")])
def test_a_field_may_say_which_of_others_is_meant(answer, text):
    record = FOREIGN | {"choices": ["yes", "no"], "a": answer}

    assert mapped(record, final_answer={"field": "choices.{a}"}).final_answer == text


SHAPES = [
    ({"Body": "Jo has 3.", "Question": "How many?"}, "Jo has 3. How many?"),
    ({"question": "Which?", "options": ["A)1", "B)2"]}, "Which?\nA)1\nB)2"),
    ({"choices": ["yes", "no"], "answer": 1}, "no"),
    ({"conversations": [{"from": "user", "value": "Why?"}]}, "Why?"),
    ({"solution": "So \\boxed{1}, no:\n$\\boxed{\\frac{1}{\\sqrt{2}}}$."}, "\\frac{1}{\\sqrt{2}}"),
    ({"response": "2 + 3 = 5.\nThe answer is: 5."}, "5"),
]


def test_each_mapping_of_the_page_on_datasets_fits_the_shape_it_is_for():
    page = (REPOSITORY / "docs" / "how-to" / "add-a-dataset.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\|.*\| `((?:prompt|final_answer): .*)` \|$", page, re.MULTILINE)

    for mapping, (record, expected) in zip(shown, SHAPES, strict=True):
        ((name, changes),) = yaml.safe_load(mapping).items()
        trace = mapped(FOREIGN | record, **{name: changes})
        assert getattr(trace, name) == expected


def test_steps_are_split_where_the_recipe_says_and_blank_pieces_dropped():
    trace = mapped(FOREIGN | {"s": "one; two;;  "}, steps={"field": "s", "split": ";", "type": "thought"})

    assert [(step.type, step.content) for step in trace.steps] == [("thought", "one"), ("thought", "two")]


def test_a_list_of_texts_or_of_steps_works_too():
    trace = mapped(
        FOREIGN | {"s": ["one\nline", {"content": "two"}, {"i": 9, "type": "check", "content": "3"}]}
    )

    assert [(step.i, step.type, step.content) for step in trace.steps] == [
        (0, "reasoning", "one\nline"),
        (1, "reasoning", "two"),
        (9, "check", "3"),
    ]


def test_named_fields_are_kept_in_meta():
    trace = mapped(FOREIGN | {"level": {"name": "easy"}}, meta=("level.name", "a"))

    assert trace.meta == {"level.name": "easy", "a": "5"}


@pytest.mark.parametrize(
    ("record", "changes", "message"),
    [
        ({"a": "5", "s": "x"}, {}, "there is no field 'q'; the keys there are ['a', 's']"),
        (
            FOREIGN,
            {"prompt": {"field": "q.text"}},
            "no field 'q.text': it has no 'text'; what is there is 'What is 2 + 3?'",
        ),
        (FOREIGN | {"q": ["x"]}, {"prompt": {"field": "q.3"}}, "has no '3'; what is there is a list of 1"),
        (FOREIGN | {"q": None}, {}, "prompt from 'q' is None, expected a text or a number"),
        (FOREIGN | {"a": [0.5]}, {}, "final_answer from 'a' is [0.5]"),
        (FOREIGN, {"final_answer": {"field": "a", "pattern": "#### (.*)"}}, "without a match of '#### (.*)'"),
        (FOREIGN | {"s": [None]}, {}, "steps[0] from 's' is None"),
        (FOREIGN | {"s": [{"text": "x"}]}, {}, "steps[0] has the keys ['text'], expected `content`"),
        (FOREIGN, {"meta": ("lvl",)}, "there is no field 'lvl'"),
        (FOREIGN | {"q": None}, {"prompt": {"template": "{q}!"}}, "'q' is None, expected texts or numbers"),
        (FOREIGN | {"q": [[]]}, {"prompt": {"template": "{q}!"}}, "'q' is [[]], expected texts or numbers"),
        (FOREIGN, {"prompt": {"template": "{r}"}}, "there is no field 'r'"),
        (FOREIGN, {"prompt": {"field": "c.{a}"}}, "there is no field 'c.5': it has no 'c'"),
        (FOREIGN, {"prompt": {"template": "{q}", "pattern": "(x)"}}, "prompt from '{q}' is"),
    ],
)
def test_a_record_that_does_not_fit_the_mapping_is_named_with_field_and_value(record, changes, message):
    error = failure(mapped, record, **changes)

    assert error.code == "mapping"
    assert message in error.message


@pytest.mark.parametrize("record", [FOREIGN | {"s": " \n "}, FOREIGN | {"q": "  "}, FOREIGN | {"s": []}])
def test_what_a_mapping_gives_must_keep_the_contract(record):
    assert failure(mapped, record).code == "contract"


def test_a_format_reads_no_other():
    sft = JsonlSource(kind="jsonl", path="x", format="tunix_sft")

    assert failure(to_trace, RAW, sft).code == "mapping"


def test_numbers_and_booleans_are_taken_as_they_are_written() -> None:
    trace = mapped(FOREIGN | {"a": True, "q": 7, "s": [18.5]})

    assert (trace.final_answer, trace.prompt, trace.steps[0].content) == ("true", "7", "18.5")


@pytest.mark.parametrize(
    ("where", "is_right"),
    [({}, True), ({"a.b": "x", "n": "1"}, True), ({"t": "true", "n": "2"}, False), ({"z": "x"}, False)],
)
def test_a_record_is_meant_if_every_field_has_its_value(where: dict[str, str], is_right: bool) -> None:
    assert is_meant({"a": {"b": "x"}, "n": 1, "t": True}, where) is is_right
