from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.prediction import (
    PREDICTIONS_SCHEMA,
    DecodingConfig,
    PredictConfig,
    Prediction,
    PredictionsMeta,
)

PREDICTION = Prediction("id", 0, "2 + 2?", "a" * 64, "4", 5, 2, -0.25, "eos")
META: dict[str, Any] = {
    "run_id": "golden-v2.tiny.0123456789",
    "evaluation_set": "golden-v2.test",
    "evaluation_set_digest": "a" * 64,
    "source_digest": "b" * 64,
    "dataset_digest": "b" * 64,
    "model_digest": "c" * 64,
    "template": "reasoning_tags",
    "template_digest": "d" * 64,
    "decoding": DecodingConfig(temperature=0.5, num_samples=2, stop=["Q:"]),
    "end_token_ids": [2, 7],
    "num_items": 10,
    "num_length_stops": 1,
    "decode_time_s": 0.5,
    "new_tokens_per_second": 100.0,
    "device": "cpu",
}


def test_a_prediction_is_read_as_it_was_written() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PREDICTION), type=Prediction) == PREDICTION


@pytest.mark.parametrize("reason", ["cut", "", None])
def test_a_prediction_ends_with_eos_or_a_stop_or_at_the_length_limit(reason: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.finish_reason"):
        msgspec.convert(msgspec.to_builtins(PREDICTION) | {"finish_reason": reason}, Prediction)


def test_the_table_holds_what_a_prediction_holds() -> None:
    table = PREDICTIONS_SCHEMA.table([msgspec.to_builtins(PREDICTION)])

    assert PREDICTIONS_SCHEMA.names == list(Prediction.__struct_fields__)
    assert msgspec.convert(table.to_pylist(), list[Prediction]) == [PREDICTION]
    assert not any(column.nullable for column in PREDICTIONS_SCHEMA)
    assert all(column.description for column in PREDICTIONS_SCHEMA)


@pytest.mark.parametrize(
    "values",
    [
        {"max_new_tokens": 0},
        {"decode_batch_size": 0},
        {"max_items": 0},
        {"evaluation_sets": []},
        {"predict_device": "GPU"},
        {"predict_device_index": -1},
        {"temperature": -0.1},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": 0},
        {"num_samples": 0},
        {"seed": -1},
        {"stop": [""]},
        {"precision": "float16"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_kept_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        PredictConfig(**values)


def test_equal_samples_are_refused_with_a_way_out() -> None:
    with pytest.raises(ValidationError, match=r"num_samples 4 at temperature 0 .* set a temperature above 0"):
        PredictConfig(num_samples=4)


def test_the_settings_that_decide_what_is_written_are_told_from_the_others() -> None:
    config = PredictConfig(temperature=0.7, top_p=0.9, num_samples=4, decode_batch_size=8, max_items=3)

    assert config.decoding() == DecodingConfig(temperature=0.7, top_p=0.9, num_samples=4)


def test_all_items_are_asked_unless_a_number_is_given() -> None:
    assert PredictConfig().max_items is None
    assert PredictConfig(max_items=1).max_items == 1


def test_meta_is_read_as_it_was_written_and_says_how_was_decoded() -> None:
    meta = PredictionsMeta(**META)

    assert PredictionsMeta.parse(meta.to_json(), subject="predictions_meta.json") == meta
    assert (meta.decoding.temperature, meta.decoding.stop) == (0.5, ["Q:"])


@pytest.mark.parametrize("name", META)
def test_meta_needs_every_field(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name}\n  Field required"):
        PredictionsMeta(**{key: value for key, value in META.items() if key != name})


def test_what_is_asked_does_not_decide_how_texts_are_written() -> None:
    config = PredictConfig(evaluation_sets=["test", "eval-v1"], max_items=3)

    assert config.decoding() == PredictConfig().decoding()
    assert PredictConfig().evaluation_sets == ["test"]
