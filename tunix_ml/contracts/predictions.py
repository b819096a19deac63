"""Predictions: what a checkpoint wrote for each item of an evaluation set."""

from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.contracts.training import Device

FinishReason = Literal["eos", "length"]


class PredictConfig(BaseModel):
    """How a checkpoint is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_new_tokens: int = Field(160, ge=1, description="longest completion, EOS included")
    decode_batch_size: int = Field(64, ge=1, description="prompts decoded together")
    max_items: int | None = Field(
        None, ge=1, description="score only this many items, the first by id; null: all of them"
    )
    predict_device: Device = Field("auto", description="auto, cpu, gpu (alias cuda) or tpu")


class Prediction(msgspec.Struct, frozen=True):
    """A line of `predictions.jsonl`."""

    item_id: str
    prompt: str
    prompt_digest: str
    text: str
    num_prompt_tokens: int
    num_new_tokens: int
    finish_reason: FinishReason


PREDICTIONS_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "trace id of the question"),
        Column("prompt", "string", "what the model read"),
        Column("prompt_digest", "string", "sha256 of the prompt"),
        Column("text", "string", "what the model wrote, special tokens left out"),
        Column("num_prompt_tokens", "int64", "tokens read"),
        Column("num_new_tokens", "int64", "tokens written, EOS included"),
        Column("finish_reason", "string", "eos, or length: hit max_new_tokens"),
    ]
)


class PredictionsMeta(Artifact):
    """`predictions_meta.json`: who wrote the predictions, for what, and how."""

    run_id: str
    evaluation_set: str = Field(description="name of the items, `<dataset_version>.test`")
    evaluation_set_digest: str = Field(description="digest over the items' ids, prompts and answers")
    dataset_digest: str
    model_digest: str = Field(description="digest of the model folder that was loaded")
    template: TemplateName
    template_digest: str
    max_new_tokens: int
    decoding: Literal["greedy"] = "greedy"
    num_items: int
    num_length_stops: int = Field(description="items that hit max_new_tokens")
    decode_time_s: float
    new_tokens_per_second: float
    device: str
