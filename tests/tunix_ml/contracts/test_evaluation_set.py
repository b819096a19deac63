import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation_set import (
    ANSWER_TYPES,
    EVALUATION_ITEMS_SCHEMA,
    EvaluationItem,
    EvaluationSetRecipe,
    from_table,
    to_table,
)

QUESTION = {"prompt": {"field": "question"}, "final_answer": {"field": "answer"}}


def recipe(**values: object) -> EvaluationSetRecipe:
    return EvaluationSetRecipe.model_validate(
        {"description": "Sums.", "license": "MIT", "path": "sums.jsonl", **values}
    )


def test_the_columns_are_the_fields_of_an_item() -> None:
    assert EVALUATION_ITEMS_SCHEMA.names == list(EvaluationItem.__struct_fields__)


def test_an_item_with_a_field_that_nobody_reads_is_refused() -> None:
    line = b'{"item_id": "a", "prompt": "?", "final_answer": "1", "answer_typ": "number"}'

    with pytest.raises(msgspec.ValidationError, match="answer_typ"):
        msgspec.json.decode(line, type=EvaluationItem)


@pytest.mark.parametrize("answer_type", ANSWER_TYPES)
def test_a_recipe_may_declare_every_type_of_answer(answer_type: str) -> None:
    foreign = recipe(format="mapped", mapping=QUESTION, answer_type=answer_type)

    assert foreign.answer_type == answer_type


def test_foreign_records_need_a_mapping_and_items_have_none() -> None:
    assert recipe(format="mapped", mapping=QUESTION).mapping is not None
    for values in ({"format": "mapped"}, {"mapping": QUESTION}):
        with pytest.raises(ValidationError, match="`mapping` is needed for format `mapped`"):
            recipe(**values)


def test_only_foreign_records_are_given_their_type_by_the_recipe() -> None:
    with pytest.raises(ValidationError, match="`answer_type` is for format `mapped`"):
        recipe(answer_type="number")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("item_id", ""),
        ("item_id", "i" * 129),
        ("prompt", ""),
        ("final_answer", "5" * 50_001),
        ("steps", [""]),
        ("steps", ["."] * 1_001),
        ("unit", ""),
        ("choices", {"A": ""}),
        ("section", ""),
        ("answer_type", "numbr"),
    ],
)
def test_a_field_beyond_its_bounds_is_refused(field: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert({"item_id": "a", "prompt": "?", "final_answer": "1", field: value}, EvaluationItem)


ITEMS = [
    EvaluationItem("a", "2 + 3?", "5", "number", ("2 + 3 = 5.",), unit="km", cluster="a"),
    EvaluationItem("b", "Which?", "B", "choice", choices={"A": "a cat", "B": "a dog"}, section="animals"),
]


def test_items_survive_their_table() -> None:
    assert from_table(to_table(ITEMS)) == ITEMS


def test_a_table_with_other_columns_is_refused() -> None:
    with pytest.raises(ContractError, match=r"items table has columns .* expected"):
        from_table(to_table(ITEMS).drop_columns(["unit"]))


@pytest.mark.parametrize(("column", "value"), [("answer_type", "numbr"), ("choices", "[]"), ("choices", "{")])
def test_a_row_that_breaks_the_contract_is_refused_naming_the_item(column: str, value: str) -> None:
    rows = to_table(ITEMS).to_pylist()
    rows[1][column] = value

    with pytest.raises(ContractError, match="item 'b': "):
        from_table(EVALUATION_ITEMS_SCHEMA.table(rows))


@pytest.mark.parametrize("changes", [{"steps": ()}, {"section": "core"}, {"unit": None}])
def test_the_digest_of_an_item_is_of_every_field(changes: dict[str, object]) -> None:
    assert msgspec.structs.replace(ITEMS[0], **changes).digest() != ITEMS[0].digest()
