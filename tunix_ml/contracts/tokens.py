"""Tokenized examples: rows of token ids with their loss mask, and where each example went."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.quality import Bin
from tunix_ml.contracts.table import Column, TableSchema

Layout = Literal["packed", "padded"]


class TokenizeConfig(BaseModel):
    """How text becomes token ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: str = Field(
        "bpe",
        min_length=1,
        description="`bpe` trains a byte-level BPE on the train split; anything else is a local folder "
        "or a hub name of a Hugging Face tokenizer",
    )
    vocab_size: int = Field(512, ge=300, le=262_144, description="size of the vocabulary of `bpe`")
    seq_len: int = Field(256, ge=16, le=131_072, description="tokens in a row")
    layout: Layout = Field("packed", description="several examples in a row, or one padded example")


TOKENS_SCHEMA = TableSchema(
    [
        Column("split", "string", "train or validation"),
        Column("input_ids", ["int32"], "seq_len token ids"),
        Column("loss_mask", ["int8"], "1 where the token is a target: the completion and its EOS"),
        Column("segment_ids", ["int32"], "1, 2, … for the examples of the row, 0 for padding"),
        Column("positions", ["int32"], "position within the example"),
    ]
)

TOKENIZED_EXAMPLES_SCHEMA = TableSchema(
    [
        Column("trace_id", "string", "the trace it was made from"),
        Column("split", "string", "train or validation"),
        Column("row", "int64", "row of the tokens table, within the split"),
        Column("start", "int32", "index of its first token in the row"),
        Column("num_prompt_tokens", "int32", "tokens the model reads, BOS included"),
        Column("num_completion_tokens", "int32", "tokens it learns, EOS included"),
    ]
)


class TokensManifest(Artifact):
    """`tokens.json`: what the rows were made from, and how full they are."""

    dataset_version: str
    dataset_digest: str
    export_digest: str
    template: TemplateName
    template_digest: str
    tokenizer: str
    tokenizer_digest: str = Field(description="sha256 of tokenizer.json")
    vocab_size: int = Field(description="ids are below this")
    bos_token_id: int | None
    eos_token_id: int
    pad_token_id: int
    seq_len: int
    layout: Layout
    num_rows: dict[str, int] = Field(description="rows of each split")
    num_examples: dict[str, int] = Field(description="examples of each split that are in the rows")
    num_tokens: dict[str, int] = Field(description="tokens of each split, padding left out")
    num_truncated: dict[str, int] = Field(description="examples longer than seq_len, left out of the rows")
    lengths: dict[str, tuple[Bin, ...]] = Field(
        {}, description="examples of each split by their tokens, prompt and completion; empty in older ones"
    )
    fill: dict[str, float] = Field(description="share of each split's cells that are not padding")
