from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.explain import describe
from tunix_ml.contracts.recipe import DatasetRecipe

MAPPING = {"prompt": {"field": "q"}, "final_answer": {"field": "a"}, "steps": {"field": "r"}}
SOURCE = {"kind": "jsonl", "path": "a.jsonl", "format": "mapped", "mapping": MAPPING}
RECIPE: dict[str, Any] = {"description": "d", "license": "MIT", "source": SOURCE}


def told(document: object) -> str:
    with pytest.raises(ValidationError) as refusal:
        DatasetRecipe.model_validate(document)
    return describe(refusal.value, DatasetRecipe)


def test_a_misspelt_field_is_named_with_the_one_that_was_meant() -> None:
    document = {name: value for name, value in RECIPE.items() if name != "license"} | {"licence": "MIT"}

    assert told(document).split("; ") == [
        "license: this field is required",
        "licence: there is no such field, did you mean 'license'? (got 'MIT')",
    ]


def test_a_field_deep_inside_stands_where_the_document_has_it() -> None:
    mapping = MAPPING | {"prompt": {"feild": "q"}}

    assert told(RECIPE | {"source": SOURCE | {"mapping": mapping}}) == (
        "source.mapping.prompt.feild: there is no such field, did you mean 'field'? (got 'q')"
    )


def test_a_field_like_no_other_is_told_with_all_there_are() -> None:
    mapping = MAPPING | {"prompt": {"field": "q", "x": 1}}

    assert told(RECIPE | {"source": SOURCE | {"mapping": mapping}}) == (
        "source.mapping.prompt.x: there is no such field,"
        " the fields are constant, field, pattern, remove, template (got 1)"
    )


def test_a_part_of_a_list_keeps_its_number() -> None:
    source = {"kind": "versions", "parts": [{"version": "golden-v2", "wieght": 1}]}

    assert "source.parts.0.wieght: there is no such field" in told(RECIPE | {"source": source})


def test_an_unknown_kind_is_told_with_those_there_are() -> None:
    assert told(RECIPE | {"source": SOURCE | {"kind": "json"}}).startswith(
        "source: kind 'json' is none of 'generator', 'jsonl', "
    )


def test_a_rule_of_the_contract_is_told_without_the_whole_document() -> None:
    assert told(RECIPE | {"source": SOURCE | {"format": "trace"}}) == (
        "source: `mapping` is needed for format `mapped` and allowed for no other"
    )


def test_an_empty_document_is_told_as_one() -> None:
    assert told(None) == "these are no fields with values (got None)"
