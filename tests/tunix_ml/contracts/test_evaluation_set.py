import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.evaluation_set import (
    ANSWER_TYPES,
    EVALUATION_ITEMS_SCHEMA,
    EvaluationItem,
    EvaluationSetRecipe,
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
    assert recipe(answer_type=answer_type).answer_type == answer_type


def test_foreign_records_need_a_mapping_and_items_have_none() -> None:
    assert recipe(format="mapped", mapping=QUESTION).mapping is not None
    for values in ({"format": "mapped"}, {"mapping": QUESTION}):
        with pytest.raises(ValidationError, match="`mapping` is needed for format `mapped`"):
            recipe(**values)
