import json
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import (
    DatasetRecipe,
    FieldMapping,
    GeneratorSource,
    JsonlSource,
    VersionsSource,
)

GENERATOR: dict[str, Any] = {"kind": "generator", "generator": "arithmetic", "seed": 0, "num_traces": 10}
JSONL: dict[str, Any] = {"kind": "jsonl", "path": "golden.jsonl"}
MAPPING: dict[str, Any] = {
    "prompt": {"field": "question"},
    "final_answer": {"field": "answer", "pattern": r"#### (.+)"},
    "steps": {"field": "answer", "remove": r"<<.*?>>"},
}


def recipe(source: dict[str, Any], **changes: Any) -> DatasetRecipe:
    values = {"description": "Sums.", "license": "Apache-2.0", "source": source} | changes
    return DatasetRecipe.parse(json.dumps(values).encode(), subject="sums-v1.yaml")


def refuse(source: dict[str, Any], message: str, **changes: Any) -> None:
    with pytest.raises(ContractError, match=rf"^sums-v1\.yaml is not a DatasetRecipe: .*{message}"):
        recipe(source, **changes)


def test_a_recipe_has_a_generator_or_a_file() -> None:
    assert isinstance(recipe(GENERATOR).source, GeneratorSource)
    assert isinstance(recipe(JSONL).source, JsonlSource)
    refuse({"kind": "magic"}, "kind 'magic' is none of 'generator', 'jsonl'")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (GENERATOR | {"note": 1}, "note: there is no such field"),
        (GENERATOR | {"seed": -1}, "seed: .*greater than or equal to 0"),
        (GENERATOR | {"num_traces": 0}, "num_traces: .*greater than or equal to 1"),
        (JSONL | {"format": "csv"}, "format: Input should be 'trace', 'tunix_sft' or 'mapped'"),
        (JSONL | {"num_traces": 3}, "num_traces: there is no such field"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused(source: dict[str, Any], message: str) -> None:
    refuse(source, message)


def test_unknown_keys_and_empty_texts_are_refused() -> None:
    refuse(GENERATOR, "split: there is no such field, did you mean 'splits'", split={"train": 1.0})
    refuse(GENERATOR, "license: String should have at least 1 character", license="")
    refuse(GENERATOR, "description: String should have at least 1 character", description="")


def test_shares_of_the_splits_have_a_default_that_adds_up() -> None:
    assert recipe(GENERATOR).splits == {"train": 0.9, "validation": 0.05, "test": 0.05}


@pytest.mark.parametrize(
    "splits", [{"train": 1.0}, {"test": 1}, {"train": 0.1, "validation": 0.2, "test": 0.7}]
)
def test_shares_that_add_up_are_accepted(splits: dict[str, float]) -> None:
    assert recipe(GENERATOR, splits=splits).splits == splits


@pytest.mark.parametrize(
    "splits", [{}, {"train": 0.9}, {"train": 0.9, "test": 0.2}, {"train": 1.5, "test": -0.5}]
)
def test_shares_that_do_not_add_up_are_refused(splits: dict[str, float]) -> None:
    refuse(GENERATOR, "must not be negative and must add up to 1", splits=splits)


def test_an_unknown_split_is_refused() -> None:
    refuse(GENERATOR, "Input should be 'train', 'validation' or 'test'", splits={"training": 1.0})


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_reject_rate_is_a_share_below_one(rate: float) -> None:
    refuse(GENERATOR, "max_reject_rate", max_reject_rate=rate)


def test_a_mapping_goes_with_mapped_files_and_with_no_others() -> None:
    mapped = recipe(JSONL | {"format": "mapped", "mapping": MAPPING}).source

    assert isinstance(mapped, JsonlSource)
    assert mapped.mapping
    assert mapped.mapping.steps.split == r"\n+"
    refuse(JSONL | {"format": "mapped"}, "`mapping` is needed for format `mapped`")
    refuse(JSONL | {"mapping": MAPPING}, "`mapping` is needed for format `mapped`")


@pytest.mark.parametrize(
    "mapping",
    [{}, {"field": "a", "constant": "b"}, {"field": "a", "template": "{a}"}, {"pattern": "(a)"}],
)
def test_a_text_comes_from_a_field_or_several_or_is_constant(mapping: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one of `field`, `template` and `constant`"):
        FieldMapping(**mapping)


@pytest.mark.parametrize("name", ["field", "template"])
@pytest.mark.parametrize("text", ["{a", "a}", "{}", "{a!r}", "{a:>9}"])
def test_braces_hold_a_path_and_nothing_else(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="one is doubled"):
        FieldMapping(**{name: text})


def test_all_paths_of_a_mapping_are_told() -> None:
    assert FieldMapping(template="{a.b} {{x}} {c}").paths() == ("a.b", "c")
    assert FieldMapping(field="choices.{answer}").paths() == ("choices.{answer}", "answer")
    assert FieldMapping(constant="{").paths() == ()


@pytest.mark.parametrize("pattern", ["no group", "(two) (groups)", "(?:none)"])
def test_a_pattern_has_exactly_one_group(pattern: str) -> None:
    with pytest.raises(ValueError, match="needs exactly one group"):
        FieldMapping(field="answer", pattern=pattern)


@pytest.mark.parametrize("name", ["pattern", "remove", "split"])
@pytest.mark.parametrize("expression", ["(", "[a", "*"])
def test_what_is_no_regular_expression_is_refused(name: str, expression: str) -> None:
    steps = MAPPING["steps"] | {name: expression}

    refuse(JSONL | {"format": "mapped", "mapping": MAPPING | {"steps": steps}}, "is not a regular expression")


def test_the_digest_of_a_recipe_changes_with_its_source() -> None:
    assert recipe(GENERATOR).digest() == recipe(dict(reversed(GENERATOR.items()))).digest()
    assert recipe(GENERATOR).digest() != recipe(GENERATOR | {"seed": 1}).digest()


VERSIONS: dict[str, Any] = {"kind": "versions", "parts": [{"version": "golden-v2"}]}


@pytest.mark.parametrize("kind", ["parquet", "huggingface"])
def test_tables_are_mapped_like_lines(kind: str) -> None:
    source = {"kind": kind, "path": "rows", "format": "mapped", "mapping": MAPPING}

    assert recipe(source).source.kind == kind
    refuse(source | {"format": "trace"}, "`mapping` is needed for format `mapped`")


def test_a_selection_takes_versions_and_new_rows() -> None:
    parts = [{"version": "golden-v2", "weight": 1}, {"rows": GENERATOR, "weight": 2.5}]

    source = recipe(VERSIONS | {"parts": parts, "strategy": "latest"}).source

    assert isinstance(source, VersionsSource)
    assert [part.weight for part in source.parts] == [1, 2.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": []}, "at least 1 item"),
        ({"parts": [{}]}, "exactly one of `version` and `rows`"),
        ({"parts": [{"version": "golden-v2", "rows": GENERATOR}]}, "exactly one of `version` and `rows`"),
        ({"parts": [{"version": "golden"}]}, "not of the form <name>-v<number>"),
        ({"parts": [{"version": "golden-v2", "content": "abc"}]}, "String should match pattern"),
        ({"parts": [{"rows": GENERATOR, "content": "0" * 64}]}, "`content` belongs to a `version`"),
        ({"parts": [{"rows": VERSIONS}]}, "kind 'versions' is none of 'generator'"),
        (
            {"parts": [{"version": "a-v1", "weight": 1}, {"version": "b-v1"}], "strategy": "latest"},
            "`weight` is needed for every part or for none",
        ),
        ({"strategy": "random"}, "`seed` is needed for strategy `random`"),
        ({"strategy": "latest", "seed": 1}, "`seed` is needed for strategy `random`"),
        ({"limit": 5}, "needs strategy `latest` or `random`"),
        ({"family_caps": {"a": 1}}, "needs strategy `latest` or `random`"),
        ({"strategy": "latest", "family_caps": {"a": -1}}, "must not be negative"),
        ({"filters": [{"field": "x", "op": "equals", "value": 1}]}, "field 'x' is none of"),
    ],
)
def test_a_selection_that_says_two_things_or_none_is_refused(changes: dict[str, Any], message: str) -> None:
    refuse(VERSIONS | changes, message)


def test_what_is_done_with_a_dataset_is_no_part_of_its_identity() -> None:
    assert recipe(GENERATOR).train is False
    assert recipe(GENERATOR, train=True).digest() == recipe(GENERATOR).digest()
    assert recipe(GENERATOR, license="MIT").digest() != recipe(GENERATOR).digest()
