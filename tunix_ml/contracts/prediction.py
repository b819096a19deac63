"""Predictions: what a checkpoint wrote for each item of an evaluation set."""

from typing import Annotated, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.table import Column, TableSchema
from tunix_ml.contracts.training import Device, Precision

FinishReason = Literal["eos", "stop", "length"]


class DecodingConfig(BaseModel):
    """How texts are written: with the model and the questions, all that decides them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_new_tokens: int = Field(160, ge=1, description="longest completion, the end token included")
    temperature: float = Field(
        0.0, ge=0, description="0: always the likeliest token; else logits are divided by it and drawn from"
    )
    top_k: int | None = Field(None, ge=1, description="draw from so many of the likeliest tokens; null: all")
    top_p: float = Field(
        1.0, gt=0, le=1, description="draw from the fewest likeliest tokens that have this probability"
    )
    num_samples: int = Field(1, ge=1, description="texts for each item; more than 1 needs a temperature")
    seed: int = Field(
        0, ge=0, lt=1 << 31, description="with item and sample number, all that decides what is drawn"
    )
    stop: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        [], description="a text ends with the first of these strings in it, which is kept"
    )
    precision: Precision = Field(
        "float32", description="of the products' operands and the cache; sums are float32 either way"
    )

    @model_validator(mode="after")
    def _samples_differ(self) -> Self:
        if self.num_samples > 1 and self.temperature == 0:
            raise ValueError(
                f"num_samples {self.num_samples} at temperature 0 would be the same text so many times:"
                " set a temperature above 0, or num_samples to 1"
            )
        return self


class PredictConfig(DecodingConfig):
    """How a checkpoint is asked, and what."""

    evaluation_sets: list[str] = Field(
        ["test"],
        min_length=1,
        description="what is asked: `test`, the held-out split of the run's own dataset version;"
        " `validation`, the one that runs are chosen by; and names of evaluation sets in the catalog",
    )
    decode_batch_size: int = Field(64, ge=1, description="texts written side by side")
    max_items: int | None = Field(
        None, ge=1, description="ask only this many items of each set, the first by id; null: all of them"
    )
    predict_device: Device = Field("auto", description="auto, cpu, gpu (alias cuda) or tpu")
    predict_device_index: int | None = Field(
        None, ge=0, description="which device of its platform; null: the first"
    )

    def decoding(self) -> DecodingConfig:
        """Return the part that decides what is written."""
        return DecodingConfig(**{name: getattr(self, name) for name in DecodingConfig.model_fields})


class Prediction(msgspec.Struct, frozen=True):
    """A line of `predictions.jsonl`: one sample of one item, ordered by item and sample."""

    item_id: str
    sample_index: int
    prompt: str
    prompt_digest: str
    text: str
    num_prompt_tokens: int
    num_new_tokens: int
    logprob: float
    finish_reason: FinishReason


class GoldLikelihood(msgspec.Struct, frozen=True):
    """A line of `gold.jsonl`: what the true completion of an item costs the model.

    `nats` is the negative log-likelihood of its tokens, the end token among them; null where the model cannot
    read so long a text. `num_bytes` are those of the text in UTF-8.
    """

    item_id: str
    nats: float | None
    num_tokens: int
    num_bytes: int


class ForeignPrediction(msgspec.Struct, frozen=True):
    """A line of a foreign system's `answers.jsonl`: a text and no more than is known of it."""

    item_id: str
    sample_index: int
    text: str
    prompt_digest: None = None
    num_new_tokens: None = None
    finish_reason: None = None


PREDICTIONS_SCHEMA = TableSchema(
    [
        Column("item_id", "string", "trace id of the question"),
        Column("sample_index", "int64", "0 to num_samples - 1"),
        Column("prompt", "string", "what the model read"),
        Column("prompt_digest", "string", "sha256 of the prompt"),
        Column("text", "string", "what the model wrote, special tokens left out"),
        Column("num_prompt_tokens", "int64", "tokens read"),
        Column("num_new_tokens", "int64", "tokens written, the end token included"),
        Column(
            "logprob",
            "double",
            "log-probability of the tokens written, in nats, summed; the model's own, before temperature,"
            " top_k and top_p",
        ),
        Column("finish_reason", "string", "eos, stop: wrote a stop string, or length: hit max_new_tokens"),
    ]
)


class PredictionsMeta(Artifact):
    """`predictions_meta.json`: who wrote the predictions, for what, and how."""

    run_id: str
    evaluation_set: str = Field(
        description="name of the items, `<dataset_version>.test` or one of the catalog"
    )
    evaluation_set_digest: str = Field(description="digest over the items' ids, prompts and answers")
    source_digest: str = Field(
        description="content that the items were read from: a dataset version's or a set's"
    )
    dataset_digest: str = Field(description="content that the model was trained on")
    model_digest: str = Field(description="digest of the model folder that was loaded")
    template: TemplateName
    template_digest: str
    decoding: DecodingConfig = Field(description="how the texts were written, in full")
    end_token_ids: list[int] = Field(description="tokens that end a text, from tokenizer and model folder")
    num_items: int = Field(description="items asked; each has num_samples predictions")
    num_length_stops: int = Field(description="predictions that hit max_new_tokens")
    decode_time_s: float
    new_tokens_per_second: float
    device: str
