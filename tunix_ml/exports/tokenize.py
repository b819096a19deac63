"""Tokenize an export: rows of ids with a loss mask over the completion and its end."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tunix_ml.contracts.export import ExportManifest
from tunix_ml.contracts.tokens import (
    TOKENIZED_EXAMPLES_SCHEMA,
    TOKENS_SCHEMA,
    TokenizeConfig,
    TokensManifest,
)
from tunix_ml.exports.packing import Placement, one_per_row, pack_best_fit
from tunix_ml.exports.render import code_version, read_export
from tunix_ml.exports.tokenizer import Tokenizer, fetch_tokenizer, tokenizer_digest, train_bpe
from tunix_ml.parquet import write_batches, write_table
from tunix_ml.store import Snapshot, Store

TOKENIZED_SPLITS = ("train", "validation")
_COLUMNS = ("input_ids", "loss_mask", "segment_ids", "positions")


class Example(NamedTuple):
    """The ids of one example: what is read, and what is learned."""

    trace_id: str
    prompt_ids: list[int]
    completion_ids: list[int]

    @property
    def num_tokens(self) -> int:
        """Tokens of the whole example."""
        return len(self.prompt_ids) + len(self.completion_ids)


class TokenizedSplit(NamedTuple):
    """One split as rows, and where each example stands in them."""

    examples: list[Example]
    placements: list[Placement]
    num_rows: int
    num_truncated: int

    @property
    def num_tokens(self) -> int:
        """Tokens of all its examples."""
        return sum(example.num_tokens for example in self.examples)


def tokenize_export(
    store: Store, dataset_version: str, config: TokenizeConfig, *, export_digest: str | None = None
) -> Snapshot:
    """Tokenize the train and validation examples of an export and publish rows, index and tokenizer.

    An example longer than a row is left out and counted, never cut: a cut completion would teach no end.

    Raises:
        NotPublished: the dataset version has no export (with this digest).
        TokenizerError: the named tokenizer cannot be had.
    """
    export = store.slot("sft_export", dataset_version).resolve(export_digest)
    source = ExportManifest.read(export.file("export.json"))
    slot = store.slot("tokenized_examples", dataset_version)
    with slot.publish(parents={"sft_export": export.digest}, code_version=code_version()) as draft:
        folder = draft.path / "tokenizer"
        tokenizer = _make_tokenizer(config, export, folder)
        splits = {name: tokenize_split(export, name, tokenizer, config) for name in TOKENIZED_SPLITS}
        rows = (_rows_table(name, split, tokenizer, config.seq_len) for name, split in splits.items())
        write_batches(rows, draft.path / "tokens.parquet", schema=TOKENS_SCHEMA.arrow())
        write_table(_index(splits), draft.path / "examples.parquet")
        manifest = _manifest(source, export.digest, config, tokenizer, tokenizer_digest(folder), splits)
        (draft.path / "tokens.json").write_bytes(manifest.to_json())
    return draft.snapshot


def encode_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return the ids the model reads: the beginning-of-sequence token, if there is one, and the prompt."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    return start + tokenizer.encode(prompt)


def tokenize_split(
    export: Snapshot, split: str, tokenizer: Tokenizer, config: TokenizeConfig
) -> TokenizedSplit:
    """Encode the training examples of one split and place them in rows."""
    records = read_export(export, "training_example", split)
    prompts = [encode_prompt(tokenizer, record["prompt"]) for record in records]
    completions = tokenizer.encode_batch([record["response"] for record in records])
    examples = [
        Example(record["id"], prompt, [*completion, tokenizer.eos_token_id])
        for record, prompt, completion in zip(records, prompts, completions, strict=True)
    ]
    fitting = [example for example in examples if example.num_tokens <= config.seq_len]
    place = pack_best_fit if config.layout == "packed" else one_per_row
    placements = place([example.num_tokens for example in fitting], capacity=config.seq_len)
    num_rows = 1 + max((placement.row for placement in placements), default=-1)
    return TokenizedSplit(fitting, placements, num_rows, len(examples) - len(fitting))


def _make_tokenizer(config: TokenizeConfig, export: Snapshot, folder: Path) -> Tokenizer:
    if config.tokenizer != "bpe":
        return fetch_tokenizer(config.tokenizer, folder)
    records = read_export(export, "training_example", "train")
    texts = (text for record in records for text in (record["prompt"], record["response"]))
    tokenizer = train_bpe(texts, vocab_size=config.vocab_size)
    tokenizer.save(folder)
    return tokenizer


def fill_rows(split: TokenizedSplit, *, seq_len: int, pad_token_id: int) -> dict[str, np.ndarray]:
    """Return the columns of the tokens table, each of shape (rows, seq_len)."""
    arrays = {name: np.zeros((split.num_rows, seq_len), np.int32) for name in _COLUMNS}
    arrays["input_ids"][:] = pad_token_id
    segments = np.zeros(split.num_rows, np.int32)
    in_row_order = sorted(zip(split.placements, split.examples, strict=True), key=lambda pair: pair[0])
    for placement, example in in_row_order:
        segments[placement.row] += 1
        cells = (placement.row, slice(placement.start, placement.start + example.num_tokens))
        arrays["input_ids"][cells] = example.prompt_ids + example.completion_ids
        arrays["loss_mask"][cells] = [0] * len(example.prompt_ids) + [1] * len(example.completion_ids)
        arrays["segment_ids"][cells] = segments[placement.row]
        arrays["positions"][cells] = np.arange(example.num_tokens)
    return arrays


def _rows_table(name: str, split: TokenizedSplit, tokenizer: Tokenizer, seq_len: int) -> pa.Table:
    schema = TOKENS_SCHEMA.arrow()
    arrays = fill_rows(split, seq_len=seq_len, pad_token_id=tokenizer.pad_token_id)
    offsets = pa.array(np.arange(split.num_rows + 1, dtype=np.int32) * np.int32(seq_len))
    columns = [pa.array([name] * split.num_rows, pa.string())]
    for column, cells in arrays.items():
        kind = schema.field(column).type.value_type
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(cells.ravel()).cast(kind)))
    return pa.Table.from_arrays(columns, schema=schema)


def _index(splits: Mapping[str, TokenizedSplit]) -> pa.Table:
    rows = [
        {
            "trace_id": example.trace_id,
            "split": name,
            "row": placement.row,
            "start": placement.start,
            "num_prompt_tokens": len(example.prompt_ids),
            "num_completion_tokens": len(example.completion_ids),
        }
        for name, split in splits.items()
        for example, placement in zip(split.examples, split.placements, strict=True)
    ]
    return TOKENIZED_EXAMPLES_SCHEMA.table(rows)


def _manifest(
    source: ExportManifest,
    export_digest: str,
    config: TokenizeConfig,
    tokenizer: Tokenizer,
    digest_of_tokenizer: str,
    splits: Mapping[str, TokenizedSplit],
) -> TokensManifest:
    return TokensManifest(
        dataset_version=source.dataset_version,
        dataset_digest=source.dataset_digest,
        export_digest=export_digest,
        template=source.template,
        template_digest=source.template_digest,
        tokenizer=config.tokenizer,
        tokenizer_digest=digest_of_tokenizer,
        vocab_size=tokenizer.vocab_size,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        seq_len=config.seq_len,
        layout=config.layout,
        num_rows=_each(splits, lambda split: split.num_rows),
        num_examples=_each(splits, lambda split: len(split.examples)),
        num_tokens=_each(splits, lambda split: split.num_tokens),
        num_truncated=_each(splits, lambda split: split.num_truncated),
        fill={
            name: split.num_tokens / max(split.num_rows * config.seq_len, 1) for name, split in splits.items()
        },
    )


def _each(splits: Mapping[str, TokenizedSplit], count: Callable[[TokenizedSplit], int]) -> dict[str, int]:
    return {name: count(split) for name, split in splits.items()}
