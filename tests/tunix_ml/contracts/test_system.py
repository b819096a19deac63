from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.system import AnswerRule, SystemIdentity, SystemsRecipe

RECIPE: dict[str, Any] = {
    "description": "One system.",
    "license": "MIT",
    "path": "answers.jsonl",
    "evaluation_set": "eval-v1",
    "question": {"field": "question"},
    "answer": {"kind": "hashes"},
    "systems": {"one": {"text": {"field": "text"}}},
}


def test_a_rule_is_told_in_a_word() -> None:
    rules = [
        AnswerRule(kind="template", template="reasoning_tags"),
        AnswerRule(kind="pattern", pattern="A: (.*)"),
        AnswerRule(kind="boxed"),
    ]

    assert [rule.label() for rule in rules] == ["reasoning_tags", "pattern A: (.*)", "boxed"]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"kind": "template"}, "`template` is needed for kind `template`"),
        ({"kind": "boxed", "pattern": "(.)"}, "`pattern` is needed for kind `pattern` and allowed for no"),
        ({"kind": "pattern", "pattern": "A: .*"}, "needs exactly one group"),
        ({"kind": "guess"}, "kind"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(rule: dict[str, str], found: str) -> None:
    with pytest.raises(ValidationError, match=found):
        AnswerRule.model_validate(rule)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"question": None}, "exactly one of `item_id` and `question`"),
        ({"item_id": {"field": "id"}}, "exactly one of `item_id` and `question`"),
        ({"answer": None}, "`answer` is needed"),
        ({"systems": {}}, "at least 1 item"),
        ({"systems": {"one": {}}}, "needs `text`, to be scored, or `verdict`"),
        ({"systems": {"one": {"verdict": "right"}}}, "`judge` is needed"),
        ({"systems": {"No name": {"text": {"field": "text"}}}}, "is not a name"),
        ({"verdicts": {"good": 10}}, "expected one in 0..1"),
        ({"verdicts": {True: 1, False: 0}}, "put words such as 'yes' in quotes"),
        ({"sistems": {}}, "Extra inputs"),
    ],
)
def test_a_recipe_that_says_too_little_or_too_much_is_refused(changes: dict[str, Any], found: str) -> None:
    with pytest.raises(ValidationError, match=found):
        SystemsRecipe.model_validate(RECIPE | changes)


def test_a_run_made_elsewhere_is_named_by_its_system_and_its_content() -> None:
    identity = SystemIdentity(
        recipe="r",
        system="one",
        description="",
        license="MIT",
        evaluation_set="eval-v1",
        source_sha256="0" * 64,
        recipe_digest="1" * 64,
        answer=None,
        judge=None,
    )
    other = identity.model_copy(update={"source_sha256": "2" * 64})

    assert identity.run_id().startswith("one.external.")
    assert identity.run_id() != other.run_id()


def test_numbers_as_verdicts_and_values_are_read_as_json_has_them() -> None:
    systems = {"one": {"verdict": "grade", "where": {"run": 1, "done": True}}}
    recipe = SystemsRecipe.model_validate(
        RECIPE | {"judge": "human", "verdicts": {1: 0.0, 5: 1.0}, "systems": systems}
    )

    assert recipe.verdicts == {"1": 0.0, "5": 1.0}
    assert recipe.systems["one"].where == {"run": "1", "done": "true"}
