import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.names import (
    DatasetName,
    check_recipe_name,
    evaluation_set_name,
    make_run_id,
    parse_dataset_version,
)


@pytest.mark.parametrize(
    ("value", "name", "version"),
    [
        ("golden-v2", "golden", "v2"),
        ("golden-v10", "golden", "v10"),
        ("a-v1", "a", "v1"),
        ("0-v0", "0", "v0"),
        ("gsm8k-v1", "gsm8k", "v1"),
        ("golden-v1-v2", "golden-v1", "v2"),
        ("dev.reasoning_x-y-v3", "dev.reasoning_x-y", "v3"),
        ("x" * 61 + "-v1", "x" * 61, "v1"),
    ],
)
def test_a_dataset_version_has_a_name_and_a_version(value: str, name: str, version: str) -> None:
    assert parse_dataset_version(value) == DatasetName(name, version)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "a/b",
        "a/b-v1",
        "../golden-v2",
        "a..b-v1",
        "golden",
        "golden-v",
        "golden-2",
        "-v2",
        "v2",
        "Golden-v2",
        "golden-V2",
        "golden v2",
        "golden-v2 ",
        "golden-v2\n",
        "golden-v2.",
        "golden-v2-",
        ".golden-v2",
        "-golden-v2",
        "golden-v2.test",
        "golden--v",
        "gölden-v2",
        "golden-v\uff12",
        "golden-v2\x00",
        "x" * 62 + "-v1",
        "all",
    ],
)
def test_anything_else_is_no_dataset_version(value: str) -> None:
    with pytest.raises(ContractError, match="is not of the form <name>-v<number>"):
        parse_dataset_version(value)


def test_64_characters_are_a_dataset_version_and_65_are_not() -> None:
    assert len("x" * 61 + "-v1") == 64
    assert parse_dataset_version("x" * 61 + "-v1")
    with pytest.raises(ContractError, match="at most 64 characters"):
        parse_dataset_version("x" * 62 + "-v1")


def test_an_error_names_the_value_and_an_example() -> None:
    with pytest.raises(ContractError, match=r"dataset version 'Golden-v2' is not .* like 'golden-v2'"):
        parse_dataset_version("Golden-v2")


@given(st.text())
def test_a_dataset_version_is_always_the_name_of_one_directory(value: str) -> None:
    try:
        parse_dataset_version(value)
    except ContractError:
        return
    assert not {"/", "\\", "\x00", "\n", " "} & set(value)
    assert value.isascii()
    assert value == value.lower()


@pytest.mark.parametrize("value", ["tiny", "a", "0", "distil-gpt2_long", "x" * 40])
def test_a_recipe_is_named_by_lower_case_letters_and_digits(value: str) -> None:
    assert check_recipe_name(value) == value


@pytest.mark.parametrize("value", ["", "Tiny", "a.b", "a/b", "..", "-a", "a-", "_a", "a b", "a\n", "x" * 41])
def test_another_name_of_a_recipe_is_refused(value: str) -> None:
    with pytest.raises(ContractError, match="is not a name of 1 to 40 lower-case letters"):
        check_recipe_name(value)


def test_a_run_id_joins_dataset_version_recipe_and_fingerprint() -> None:
    assert make_run_id("golden-v2", "tiny", "0123456789abcdef") == "golden-v2.tiny.0123456789"


@pytest.mark.parametrize(("dataset_version", "recipe"), [("golden", "tiny"), ("golden-v2", "ti.ny")])
def test_a_run_id_is_made_of_valid_names_only(dataset_version: str, recipe: str) -> None:
    with pytest.raises(ContractError):
        make_run_id(dataset_version, recipe, "0123456789abcdef")


def test_the_longest_run_id_can_name_a_directory_of_the_store() -> None:
    assert len(make_run_id("x" * 61 + "-v1", "y" * 40, "0" * 64)) <= 128


def test_an_evaluation_set_is_a_split_of_a_dataset_version() -> None:
    assert evaluation_set_name("golden-v2", "test") == "golden-v2.test"
