from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.archive import ArchiveManifest

FIELDS: dict[str, Any] = {
    "model": "golden-v2.test",
    "version": "a" * 64,
    "run_id": "golden-v2.tiny.0123456789",
    "evaluation_set": "golden-v2.test",
    "scorer": "answers",
    "head": {"sequence": 2, "event_digest": "b" * 64},
    "members": {"model/config.json": {"sha256": "c" * 64, "num_bytes": 3, "num_rows": None}},
}


def test_a_manifest_read_back_is_the_same() -> None:
    written = ArchiveManifest.model_validate(FIELDS)

    assert ArchiveManifest.parse(written.to_json(), subject="a manifest") == written


def test_a_manifest_without_a_head_is_refused() -> None:
    with pytest.raises(ValidationError, match="head"):
        ArchiveManifest.model_validate({**FIELDS, "head": None})
