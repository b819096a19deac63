from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.table import TableSchema
from tunix_ml.contracts.tokens import (
    TOKENIZED_EXAMPLES_SCHEMA,
    TOKENS_SCHEMA,
    TokenizeConfig,
    TokensManifest,
)

MANIFEST: dict[str, Any] = {
    "dataset_version": "golden-v2",
    "dataset_digest": "a" * 64,
    "export_digest": "b" * 64,
    "template": "reasoning_tags",
    "template_digest": "c" * 64,
    "tokenizer": "bpe",
    "tokenizer_digest": "d" * 64,
    "vocab_size": 512,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "seq_len": 256,
    "layout": "packed",
    "num_rows": {"train": 1, "validation": 0},
    "num_examples": {"train": 2, "validation": 0},
    "num_tokens": {"train": 128, "validation": 0},
    "num_truncated": {"train": 0, "validation": 0},
    "fill": {"train": 0.5, "validation": 0.0},
}


@pytest.mark.parametrize(
    "values",
    [
        {"vocab_size": 300},
        {"vocab_size": 262_144},
        {"seq_len": 16},
        {"seq_len": 131_072},
        {"layout": "padded"},
        {"tokenizer": "gpt2"},
    ],
)
def test_settings_at_their_limits_are_accepted(values: dict[str, Any]) -> None:
    assert TokenizeConfig(**values).model_dump() == TokenizeConfig().model_dump() | values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vocab_size": 299}, "greater than or equal to 300"),
        ({"vocab_size": 262_145}, "less than or equal to 262144"),
        ({"seq_len": 15}, "greater than or equal to 16"),
        ({"seq_len": 131_073}, "less than or equal to 131072"),
        ({"layout": "dense"}, "'packed' or 'padded'"),
        ({"tokenizer": ""}, "at least 1 character"),
        ({"max_len": 3}, "Extra inputs are not permitted"),
    ],
)
def test_settings_beyond_their_limits_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TokenizeConfig(**values)


def test_a_row_of_tokens_fits_the_table() -> None:
    row = {
        "split": "train",
        "input_ids": [5, 1],
        "loss_mask": [0, 1],
        "segment_ids": [1, 1],
        "positions": [0, 1],
    }

    table = TOKENS_SCHEMA.table([row])

    assert table.to_pylist() == [row]
    assert table.schema.field("loss_mask").type == pa.list_(pa.int8())


@pytest.mark.parametrize("schema", [TOKENS_SCHEMA, TOKENIZED_EXAMPLES_SCHEMA])
def test_no_column_may_be_null_and_each_is_described(schema: TableSchema) -> None:
    assert not any(column.nullable for column in schema)
    assert all(column.description for column in schema)


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = TokensManifest(**MANIFEST)

    assert TokensManifest.parse(manifest.to_json(), subject="tokens.json") == manifest
    assert manifest.bos_token_id is None


@pytest.mark.parametrize("data", [b'"fill":{"train":NaN', b'"fill":{"train":null', b'"fills":{"train":0.5'])
def test_a_manifest_without_its_numbers_is_refused(data: bytes) -> None:
    sound = TokensManifest(**MANIFEST).to_json()

    with pytest.raises(ContractError, match=r"^tokens\.json is not a TokensManifest"):
        TokensManifest.parse(sound.replace(b'"fill":{"train":0.5', data), subject="tokens.json")
