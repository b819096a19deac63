"""Tokenize an export: rows of ids with a loss mask over the completion and its end."""

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunix_ml.contracts.export import ExportManifest
from tunix_ml.contracts.tokens import (
    TOKENIZED_EXAMPLES_SCHEMA,
    TOKENS_SCHEMA,
    TokenizeConfig,
    TokensManifest,
)
from tunix_ml.datasets.quality.statistics import bars
from tunix_ml.datasets.row_files import RowFile
from tunix_ml.exports.packing import Placement, one_per_row, pack_full_rows
from tunix_ml.exports.render import code_version, export_lines
from tunix_ml.exports.shards import Shard, ShardCache
from tunix_ml.exports.tokenizer import Tokenizer, fetch_tokenizer, tokenizer_digest, train_bpe
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

TOKENIZED_SPLITS = ("train", "validation")
_GROUP_ROWS = 2_000
_SHARD_EXAMPLES, _SHARD_BYTES, _SHARD_CELLS = 8_192, 8 << 20, 4 << 20
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
    """Examples as rows, and where each of them stands; examples that do not fit are only counted."""

    examples: list[Example]
    placements: list[Placement]
    num_rows: int
    num_truncated: int


@dataclass
class SplitCounts:
    """What went into the rows of one split."""

    num_rows: int = 0
    num_examples: int = 0
    num_tokens: int = 0
    num_truncated: int = 0
    lengths: Counter[int] = field(default_factory=Counter)  # by their number of bits


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
    cache = ShardCache(store.home / "cache" / "token_shards" / dataset_version)
    with slot.publish(parents={"sft_export": export.digest}, code_version=code_version()) as draft:
        folder = draft.path / "tokenizer"
        tokenizer = _make_tokenizer(config, export, folder)
        digest = tokenizer_digest(folder)
        with (
            RowFile(draft.path / "tokens.parquet", TOKENS_SCHEMA, group_rows=_GROUP_ROWS) as rows,
            RowFile(draft.path / "examples.parquet", TOKENIZED_EXAMPLES_SCHEMA) as index,
        ):
            counts = {}
            for name in TOKENIZED_SPLITS:
                shards = tokenize_split(export, name, tokenizer, config, cache=cache, tokenizer_digest=digest)
                counts[name] = _write_split(shards, rows, index)
        manifest = _manifest(source, export.digest, config, tokenizer, digest, counts)
        (draft.path / "tokens.json").write_bytes(manifest.to_json())
    cache.forget_unused()
    return draft.snapshot


def encode_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return the ids the model reads: the beginning-of-sequence token, if there is one, and the prompt."""
    start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    return start + tokenizer.encode(prompt)


def tokenize_split(
    export: Snapshot,
    split: str,
    tokenizer: Tokenizer,
    config: TokenizeConfig,
    *,
    cache: ShardCache | None = None,
    tokenizer_digest: str = "",
) -> Iterator[Shard]:
    """Yield the training examples of one split as shards, in the order of the export.

    A shard is packed by itself and depends on nothing but its own lines, the tokenizer and the configuration;
    in the cache it is found again.
    """
    for lines in _groups(export_lines(export, "training_example", split), config):
        make = functools.partial(_make_shard, split, lines, tokenizer, config)
        if cache is None:
            yield make()
        else:
            yield cache.get(_shard_key(split, lines, tokenizer_digest, config), make)


def tokenize_examples(
    records: Sequence[Mapping[str, Any]], tokenizer: Tokenizer, config: TokenizeConfig
) -> TokenizedSplit:
    """Encode training examples and place them in rows."""
    texts = [record[name] for record in records for name in ("prompt", "response")]
    ids = tokenizer.encode_batch(texts)
    prompts, completions = ids[::2], ids[1::2]
    # In place: the lists are large, and nobody else has them.
    for completion in completions:
        completion.append(tokenizer.eos_token_id)
    if tokenizer.bos_token_id is not None:
        for prompt in prompts:
            prompt.insert(0, tokenizer.bos_token_id)
    names = [record["id"] for record in records]
    examples = list(map(Example, names, prompts, completions))
    fitting = [example for example in examples if example.num_tokens <= config.seq_len]
    place = pack_full_rows if config.layout == "packed" else one_per_row
    placements = place([example.num_tokens for example in fitting], capacity=config.seq_len)
    num_rows = 1 + max((placement.row for placement in placements), default=-1)
    return TokenizedSplit(fitting, placements, num_rows, len(examples) - len(fitting))


def _groups(lines: Iterator[bytes], config: TokenizeConfig) -> Iterator[list[bytes]]:
    """Yield lines by some megabytes: memory is bounded, and rows are as full as over the whole split."""
    most = _SHARD_EXAMPLES
    if config.layout == "padded":
        most = max(1, min(most, _SHARD_CELLS // config.seq_len))
    group: list[bytes] = []
    num_bytes = 0
    for line in lines:
        group.append(line)
        num_bytes += len(line)
        if len(group) == most or num_bytes >= _SHARD_BYTES:
            yield group
            group, num_bytes = [], 0
    if group:
        yield group


def _shard_key(split: str, lines: list[bytes], digest_of_tokenizer: str, config: TokenizeConfig) -> str:
    digest = hashlib.sha256(f"{split} {config.seq_len} {config.layout} {code_version()}\n".encode())
    digest.update(digest_of_tokenizer.encode())
    for line in lines:
        digest.update(b"\n" + line)
    return digest.hexdigest()


def _make_shard(split: str, lines: list[bytes], tokenizer: Tokenizer, config: TokenizeConfig) -> Shard:
    records = [msgspec.json.decode(line) for line in lines]
    tokenized = tokenize_examples(records, tokenizer, config)
    rows = _rows_table(split, tokenized, tokenizer, config.seq_len)
    return Shard(rows, _index(split, tokenized), len(lines))


def _write_split(shards: Iterator[Shard], rows: RowFile, index: RowFile) -> SplitCounts:
    counts = SplitCounts()
    for shard in shards:
        entries = shard.index
        position = entries.schema.get_field_index("row")
        moved = pc.add(entries["row"], pa.scalar(counts.num_rows, pa.int64()))
        rows.extend(shard.rows)
        index.extend(entries.set_column(position, entries.schema.field(position), moved))
        counts.num_rows += shard.rows.num_rows
        counts.num_examples += entries.num_rows
        counts.num_truncated += shard.num_examples - entries.num_rows
        lengths = pc.add(entries["num_prompt_tokens"], entries["num_completion_tokens"]).to_pylist()
        counts.num_tokens += sum(lengths)
        counts.lengths.update(map(int.bit_length, lengths))
    return counts


def _make_tokenizer(config: TokenizeConfig, export: Snapshot, folder: Path) -> Tokenizer:
    if config.tokenizer != "bpe":
        return fetch_tokenizer(config.tokenizer, folder)
    lines = export_lines(export, "training_example", "train")
    records = map(msgspec.json.decode, lines)
    texts = (text for record in records for text in (record["prompt"], record["response"]))
    tokenizer = train_bpe(texts, vocab_size=config.vocab_size)
    tokenizer.save(folder)
    return tokenizer


def fill_rows(split: TokenizedSplit, *, seq_len: int, pad_token_id: int) -> dict[str, np.ndarray]:
    """Return the columns of the tokens table, each of shape (rows, seq_len)."""
    flat = {name: np.zeros(split.num_rows * seq_len, np.int32) for name in _COLUMNS}
    flat["input_ids"][:] = pad_token_id
    in_row_order = sorted(zip(split.placements, split.examples, strict=True), key=lambda pair: pair[0])
    examples = [example for _, example in in_row_order]
    rows = np.array([placement.row for placement, _ in in_row_order], np.int64)
    starts = rows * seq_len + np.array([placement.start for placement, _ in in_row_order], np.int64)
    lengths = np.array([example.num_tokens for example in examples], np.int64)
    prompts = np.repeat([len(example.prompt_ids) for example in examples], lengths)
    parts = (ids for example in examples for ids in (example.prompt_ids, example.completion_ids))
    ids = itertools.chain.from_iterable(parts)
    positions = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    cells = np.repeat(starts, lengths) + positions
    segments = np.arange(len(rows)) - np.searchsorted(rows, rows) + 1
    flat["input_ids"][cells] = np.fromiter(ids, np.int32, len(cells))
    flat["loss_mask"][cells] = positions >= prompts
    flat["segment_ids"][cells] = np.repeat(segments, lengths)
    flat["positions"][cells] = positions
    return {name: column.reshape(split.num_rows, seq_len) for name, column in flat.items()}


def _rows_table(name: str, split: TokenizedSplit, tokenizer: Tokenizer, seq_len: int) -> pa.Table:
    schema = TOKENS_SCHEMA.arrow()
    arrays = fill_rows(split, seq_len=seq_len, pad_token_id=tokenizer.pad_token_id)
    offsets = pa.array(np.arange(split.num_rows + 1, dtype=np.int32) * np.int32(seq_len))
    columns = [pa.array([name] * split.num_rows, pa.string())]
    for column, cells in arrays.items():
        kind = schema.field(column).type.value_type
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(cells.ravel()).cast(kind)))
    return pa.Table.from_arrays(columns, schema=schema)


def _index(split: str, tokenized: TokenizedSplit) -> pa.Table:
    rows = [
        {
            "trace_id": example.trace_id,
            "split": split,
            "row": placement.row,
            "start": placement.start,
            "num_prompt_tokens": len(example.prompt_ids),
            "num_completion_tokens": len(example.completion_ids),
        }
        for example, placement in zip(tokenized.examples, tokenized.placements, strict=True)
    ]
    return TOKENIZED_EXAMPLES_SCHEMA.table(rows)


def _manifest(
    source: ExportManifest,
    export_digest: str,
    config: TokenizeConfig,
    tokenizer: Tokenizer,
    digest_of_tokenizer: str,
    splits: Mapping[str, SplitCounts],
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
        num_examples=_each(splits, lambda split: split.num_examples),
        num_tokens=_each(splits, lambda split: split.num_tokens),
        num_truncated=_each(splits, lambda split: split.num_truncated),
        lengths={name: bars(split.lengths) for name, split in splits.items()},
        fill={
            name: split.num_tokens / max(split.num_rows * config.seq_len, 1) for name, split in splits.items()
        },
    )


def _each(splits: Mapping[str, SplitCounts], count: Callable[[SplitCounts], int]) -> dict[str, int]:
    return {name: count(split) for name, split in splits.items()}
