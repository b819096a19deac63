from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.artifact import ArtifactFile, ArtifactRecord, Audit, SlotPointer
from tunix_ml.contracts.base import Artifact, ContractError

DIGEST = "a" * 64
RECORD: dict[str, Any] = {
    "table": "dataset",
    "key": "golden-v2",
    "content_digest": DIGEST,
    "files": {"traces.parquet": {"sha256": DIGEST, "num_bytes": 10, "num_rows": 2}},
    "parents": {"source": DIGEST},
    "code_version": "c0de",
    "created_at": "2026-11-01T00:00:00+00:00",
}
POINTER: dict[str, Any] = {"content_digest": DIGEST, "record_sha256": DIGEST, "generation": 1}
AUDIT: dict[str, Any] = {
    "check": "ids_are_unique",
    "content_digest": DIGEST,
    "passed": True,
    "description": "2 ids, 2 of them different",
    "audited_at": "2026-11-01T00:00:00+00:00",
}
CASES = [(ArtifactRecord, RECORD), (SlotPointer, POINTER), (Audit, AUDIT)]


@pytest.mark.parametrize(("contract", "values"), CASES)
def test_it_is_read_as_it_was_written(contract: type[Artifact], values: dict[str, Any]) -> None:
    artifact = contract(**values)

    assert contract.parse(artifact.to_json(), subject="it") == artifact


@pytest.mark.parametrize(("contract", "values"), CASES)
def test_unknown_keys_are_refused(contract: type[Artifact], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        contract(**values, comment="a note")


@pytest.mark.parametrize(("contract", "values"), CASES)
def test_every_field_is_needed(contract: type[Artifact], values: dict[str, Any]) -> None:
    for name in values:
        with pytest.raises(ValidationError, match=rf"{name}\n  Field required"):
            contract(**{key: value for key, value in values.items() if key != name})


@pytest.mark.parametrize(("contract", "values"), [(ArtifactRecord, RECORD), (SlotPointer, POINTER)])
@pytest.mark.parametrize("digest", ["", "a" * 63, "a" * 65])
def test_a_content_digest_has_64_digits(
    contract: type[Artifact], values: dict[str, Any], digest: str
) -> None:
    with pytest.raises(ValidationError, match="64 characters"):
        contract(**values | {"content_digest": digest})


def test_generations_start_at_one() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        SlotPointer(**POINTER | {"generation": 0})


def test_a_file_without_rows_says_null_and_cannot_be_smaller_than_nothing() -> None:
    assert ArtifactFile(sha256=DIGEST, num_bytes=0).num_rows is None
    with pytest.raises(ContractError, match=r"num_bytes: .* \(got -1\)"):
        ArtifactFile.parse(b'{"sha256":"a","num_bytes":-1}', subject="file")
