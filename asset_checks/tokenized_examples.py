"""Facts about the token rows that a model is trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Subject, all_hold
from tunix_ml.contracts.tokens import TOKENIZED_EXAMPLES_SCHEMA, TokensManifest
from tunix_ml.exports.render import read_export
from tunix_ml.parquet import read_table
from tunix_ml.store import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from tunix_ml.exports.tokenizer import Tokenizer

_CELLS = ("input_ids", "loss_mask", "segment_ids", "positions")


class Supervision(NamedTuple):
    """The cells of one example in its row."""

    trace_id: str
    split: str
    row: int
    num_prompt_tokens: int
    ids: np.ndarray
    mask: np.ndarray
    segments: np.ndarray
    positions: np.ndarray


@dataclass(frozen=True)
class Tokens:
    """A published token set, read back for checking."""

    snapshot: Snapshot

    @cached_property
    def manifest(self) -> TokensManifest:
        """The manifest."""
        return TokensManifest.read(self.snapshot.file("tokens.json"))

    @cached_property
    def rows(self) -> pa.Table:
        """The rows."""
        return read_table(self.snapshot.file("tokens.parquet"))

    @cached_property
    def index(self) -> pa.Table:
        """Where each example stands."""
        return read_table(self.snapshot.file("examples.parquet"))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that was published with the rows."""
        from tunix_ml.exports.tokenizer import load_tokenizer

        return load_tokenizer(self.snapshot.file("tokenizer/tokenizer.json").parent)

    def cells(self, column: str, split: str) -> np.ndarray:
        """Return one column of one split, of shape (rows, seq_len)."""
        table = _of_split(self.rows, split)
        values: np.ndarray = table[column].combine_chunks().flatten().to_numpy()
        return values.reshape(-1, self.manifest.seq_len)

    def examples(self) -> list[Supervision]:
        """Return the cells of each example, found through the index."""
        found = []
        for split in self.manifest.num_rows:
            columns = {name: self.cells(name, split) for name in _CELLS}
            for entry in _of_split(self.index, split).to_pylist():
                end = entry["start"] + entry["num_prompt_tokens"] + entry["num_completion_tokens"]
                cells = [columns[name][entry["row"], entry["start"] : end] for name in _CELLS]
                found.append(
                    Supervision(entry["trace_id"], split, entry["row"], entry["num_prompt_tokens"], *cells)
                )
        return found


def _of_split(table: pa.Table, split: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["split"], split))


def index_keeps_its_contract(subject: Subject) -> Outcome:
    """The index of examples has its declared columns without a null, and each trace once."""
    index, suite = Tokens(subject.snapshot).index, [expectations.unique("trace_id")]
    return expectations.validate_table(index, TOKENIZED_EXAMPLES_SCHEMA, suite, subject="index")


def ids_are_in_range(subject: Subject) -> Outcome:
    """Every id is below the vocabulary size, and padding alone lies outside the examples."""
    tokens = Tokens(subject.snapshot)
    problems = []
    for split, num_rows in tokens.manifest.num_rows.items():
        ids, segments = tokens.cells("input_ids", split), tokens.cells("segment_ids", split)
        if len(ids) != num_rows:
            problems.append(f"{split} has {len(ids)} rows, the manifest says {num_rows}")
        if ids.size and (ids.min() < 0 or ids.max() >= tokens.manifest.vocab_size):
            problems.append(f"{split} has ids from {ids.min()} to {ids.max()}")
        if (ids[segments == 0] != tokens.manifest.pad_token_id).any():
            problems.append(f"{split} has tokens outside its examples")
        if int((segments != 0).sum()) != tokens.manifest.num_tokens[split]:
            problems.append(f"{split} counts other tokens than the manifest")
    return all_hold(problems, subject="ids", facts={"vocab_size": tokens.manifest.vocab_size})


def every_completion_is_supervised(subject: Subject) -> Outcome:
    """In each example exactly the completion carries loss, it is not empty, and it ends with EOS."""
    tokens = Tokens(subject.snapshot)
    problems, num_supervised = [], 0
    for example in tokens.examples():
        num_supervised += int(example.mask.sum())
        completion = example.mask[example.num_prompt_tokens :]
        if not (completion.size and completion.all()) or example.mask[: example.num_prompt_tokens].any():
            problems.append(f"{example.trace_id}: the loss mask is not the completion")
        if not example.ids.size or example.ids[-1] != tokens.manifest.eos_token_id:
            problems.append(f"{example.trace_id}: the last label is not EOS")
    total = sum(int(tokens.cells("loss_mask", split).sum()) for split in tokens.manifest.num_rows)
    if total != num_supervised:
        problems.append(f"{total - num_supervised} supervised tokens belong to no example")
    return all_hold(problems, subject="loss mask", facts={"num_supervised_tokens": num_supervised})


def examples_cannot_see_each_other(subject: Subject) -> Outcome:
    """Each example has a segment of its own in its row, and its positions count from 0."""
    examples = Tokens(subject.snapshot).examples()
    problems, owners = [], Counter[tuple[str, int, int]]()
    for example in examples:
        segments = set(example.segments.tolist())
        owners.update((example.split, example.row, segment) for segment in segments)
        if len(segments) != 1 or 0 in segments:
            problems.append(f"{example.trace_id}: the example lies in the segments {sorted(segments)}")
        if example.positions.tolist() != list(range(len(example.ids))):
            problems.append(f"{example.trace_id}: the positions do not count from 0")
    problems += [
        f"{count} examples share segment {segment} of row {row} of {split}"
        for (split, row, segment), count in owners.items()
        if count > 1
    ]
    return all_hold(problems, subject="segments", facts={"num_examples": len(examples)})


def tokens_read_back_as_the_export(subject: Subject) -> Outcome:
    """Decoded, each example is its exported prompt and response; none is missing that was not left out."""
    tokens = Tokens(subject.snapshot)
    export = subject.store.slot("sft_export", subject.dataset_version).resolve(tokens.manifest.export_digest)
    records = {
        (split, record["id"]): record
        for split in tokens.manifest.num_rows
        for record in read_export(export, "training_example", split)
    }
    examples = tokens.examples()
    problems = []
    for example in examples:
        record = records.get((example.split, example.trace_id), {"prompt": None, "response": None})
        read = tokens.tokenizer.decode(example.ids[: example.num_prompt_tokens].tolist())
        learned = tokens.tokenizer.decode(example.ids[example.mask == 1].tolist())
        for found, expected in ((read, record["prompt"]), (learned, record["response"])):
            if found != expected:
                problems.append(f"{example.trace_id}: {found!r:.80} is not {expected!r:.80}")
    num_expected = len(records) - sum(tokens.manifest.num_truncated.values())
    if len(examples) != num_expected:
        problems.append(f"there are {len(examples)} examples, the export gives {num_expected}")
    return all_hold(problems, subject="round trip", facts={"num_examples": len(examples)})


def nothing_is_truncated(subject: Subject) -> Outcome:
    """Every example fits into a row; one that does not is left out, counted here, and warned of."""
    manifest = Tokens(subject.snapshot).manifest
    problems = [
        f"{count} examples of {split} are longer than {manifest.seq_len} tokens and left out"
        for split, count in manifest.num_truncated.items()
        if count
    ]
    emptied = [split for split, count in manifest.num_examples.items() if count == 0]
    facts = {f"num_truncated_{split}": count for split, count in manifest.num_truncated.items()}
    facts |= {f"fill_{split}": round(fill, 4) for split, fill in manifest.fill.items()}  # type: ignore[misc]
    problems += [f"{split} has no example" for split in emptied]
    return all_hold(problems, subject="rows", facts=facts, severity="ERROR" if emptied else "WARN")


CHECKS = (
    Check("tokenized_examples", index_keeps_its_contract),
    Check("tokenized_examples", ids_are_in_range),
    Check("tokenized_examples", every_completion_is_supervised),
    Check("tokenized_examples", examples_cannot_see_each_other),
    Check("tokenized_examples", tokens_read_back_as_the_export),
    Check("tokenized_examples", nothing_is_truncated),
)
