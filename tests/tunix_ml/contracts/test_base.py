import math
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from tunix_ml.contracts.base import Artifact, ContractError, TunixError
from tunix_ml.contracts.canonical import sha256_hex


class Example(Artifact):
    name: str
    share: float = Field(0.5, ge=0, le=1)
    counts: dict[str, int] = Field(default_factory=dict)


def test_json_is_canonical_and_ends_with_a_newline() -> None:
    assert Example(name="é", counts={"b": 1, "a": 2}).to_json() == (
        '{"counts":{"a":2,"b":1},"name":"é","share":0.5}\n'.encode()
    )


def test_the_digest_is_that_of_the_json_and_ignores_the_order_of_keys() -> None:
    one, other = Example(name="n", counts={"a": 1, "b": 2}), Example(counts={"b": 2, "a": 1}, name="n")

    assert one.digest() == other.digest() == sha256_hex(one.to_json())


def test_an_artifact_is_read_as_it_was_written(tmp_path: Path) -> None:
    example = Example(name="n", share=0.1, counts={"a": 1})
    (tmp_path / "example.json").write_bytes(example.to_json())

    assert Example.read(tmp_path / "example.json") == example


def test_an_artifact_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Example(name="n").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Example(name="n", share=value)


@pytest.mark.parametrize("data", [b'{"name":"n","share":NaN}', b'{"name":"n","share":Infinity}'])
def test_json_with_numbers_that_are_not_finite_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        Example.parse(data, subject="example.json")


def test_an_error_names_subject_field_value_and_expectation() -> None:
    with pytest.raises(ContractError) as refusal:
        Example.parse(b'{"name":"n","share":7.5,"extra":[1]}', subject="runs/a/example.json")

    message = str(refusal.value)
    assert message.startswith("runs/a/example.json is not a Example: ")
    assert "share: Input should be less than or equal to 1 (got 7.5)" in message
    assert "extra: there is no such field, the fields are counts, name, share (got [1])" in message


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"share":1}', b"\xff", b'{"name":"n"} x'])
def test_what_is_no_such_artifact_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError, match=r"^example\.json is not a Example: "):
        Example.parse(data, subject="example.json")


def test_an_error_shows_only_the_start_of_a_long_value() -> None:
    with pytest.raises(ContractError) as refusal:
        Example.parse(b'{"name":"n","share":"' + b"x" * 100_000 + b'"}', subject="example.json")

    assert len(str(refusal.value)) < 300


def test_a_file_that_does_not_exist_is_not_a_breach_of_contract(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Example.read(tmp_path / "missing.json")


def test_a_breach_of_contract_is_meant_for_the_user() -> None:
    assert issubclass(ContractError, TunixError)
    assert issubclass(ContractError, ValueError)
