from typing import Any

import pytest
from pydantic import ValidationError

from tunix_ml.contracts.reproduction import PredictionReproduction

FIELDS: dict[str, Any] = {
    "run_id": "golden-v2.tiny.0123456789",
    "evaluation_set": "golden-v2.test",
    "model_digest": "a" * 64,
    "predictions_digest": "b" * 64,
    "item_ids": ["one"],
    "num_texts": 1,
    "differing": [{"item_id": "one", "sample_index": 0, "published": "4", "found": "5"}],
    "device": "cpu",
}


def test_a_reproduction_read_back_is_the_same() -> None:
    written = PredictionReproduction.model_validate(FIELDS)

    assert PredictionReproduction.parse(written.to_json(), subject="a reproduction") == written


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"item_ids": []}, "at least 1 item"),
        ({"num_texts": 0, "differing": []}, "greater than or equal to 1"),
        ({"differing": FIELDS["differing"] * 2}, "2 texts differ of 1 compared"),
    ],
)
def test_a_reproduction_compared_something(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        PredictionReproduction.model_validate(FIELDS | changes)
