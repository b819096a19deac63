"""Facts about the token rows that a model is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from asset_checks import expectations
from asset_checks.outcome import Check, Outcome, Problems, Subject, all_hold
from tunix_ml.contracts.tokens import TOKENIZED_EXAMPLES_SCHEMA, TokensManifest
from tunix_ml.datasets.quality.questions import text_key
from tunix_ml.exports.render import export_records
from tunix_ml.parquet import read_batches, read_table
from tunix_ml.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from tunix_ml.exports.tokenizer import Tokenizer

_CELLS = ("input_ids", "loss_mask", "segment_ids", "positions")
_PLACE = ("row", "start", "num_prompt_tokens", "num_completion_tokens")
_ROWS_AT_ONCE = 2_000
_EXAMPLES_AT_ONCE = 2_000
_NUM_NAMED = 3


class Part(NamedTuple):
    """Some rows of one split, each column of shape (rows, seq_len)."""

    split: str
    first_row: int
    input_ids: np.ndarray
    loss_mask: np.ndarray
    segment_ids: np.ndarray
    positions: np.ndarray


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
    def index(self) -> pa.Table:
        """Where each example stands."""
        return read_table(self.snapshot.file("examples.parquet"))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that was published with the rows."""
        from tunix_ml.exports.tokenizer import load_tokenizer

        return load_tokenizer(self.snapshot.file("tokenizer/tokenizer.json").parent)

    def parts(self) -> Iterator[Part]:
        """Yield the rows by some thousand, each part of one split."""
        import numpy as np
        import pyarrow.compute as pc

        first_rows: Counter[str] = Counter()
        for table in read_batches(self.snapshot.file("tokens.parquet"), num_rows=_ROWS_AT_ONCE):
            for split in self.manifest.num_rows:
                rows = table.filter(pc.equal(table["split"], split))
                cells = [rows[name].combine_chunks().flatten().to_numpy() for name in _CELLS]
                shaped = [np.reshape(values, (-1, self.manifest.seq_len)) for values in cells]
                if rows.num_rows:
                    yield Part(split, first_rows[split], *shaped)
                first_rows[split] += rows.num_rows

    def examples(self) -> Iterator[Supervision]:
        """Yield the cells of each example, found through the index, row after row."""
        entries = {split: _Index.of(self.index, split) for split in self.manifest.num_rows}
        for part in self.parts():
            yield from entries[part.split].examples(part)


class _Index(NamedTuple):
    """Where the examples of one split stand, by row."""

    trace_ids: pa.ChunkedArray
    rows: np.ndarray
    starts: np.ndarray
    num_prompt_tokens: np.ndarray
    num_completion_tokens: np.ndarray

    @classmethod
    def of(cls, index: pa.Table, split: str) -> _Index:
        import pyarrow.compute as pc

        table = index.filter(pc.equal(index["split"], split)).sort_by(
            [("row", "ascending"), ("start", "ascending")]
        )
        numbers = [table[name].to_numpy() for name in _PLACE]
        return cls(table["trace_id"], *numbers)

    def examples(self, part: Part) -> Iterator[Supervision]:
        import numpy as np

        low, high = np.searchsorted(self.rows, [part.first_row, part.first_row + len(part.input_ids)])
        ids = self.trace_ids.slice(low, high - low).to_pylist()
        places = zip(*(column[low:high].tolist() for column in self[1:]), strict=True)
        for trace_id, (row, start, num_read, num_learned) in zip(ids, places, strict=True):
            cells = [
                column[row - part.first_row, start : start + num_read + num_learned] for column in part[2:]
            ]
            yield Supervision(trace_id, part.split, row, num_read, *cells)


def index_keeps_its_contract(subject: Subject) -> Outcome:
    """The index of examples has its declared columns without a null, and each trace once."""
    index, suite = Tokens(subject.snapshot).index, [expectations.unique("trace_id")]
    return expectations.validate_table(index, TOKENIZED_EXAMPLES_SCHEMA, suite, subject="index")


def ids_are_in_range(subject: Subject) -> Outcome:
    """Every id is below the vocabulary size, and padding alone lies outside the examples."""
    tokens = Tokens(subject.snapshot)
    manifest, problems = tokens.manifest, Problems()
    found: dict[str, _Seen] = {}
    for part in tokens.parts():
        seen = found.setdefault(part.split, _Seen())
        seen.add(part, pad_token_id=manifest.pad_token_id)
    for split, num_rows in manifest.num_rows.items():
        seen = found.get(split, _Seen())
        if seen.num_rows != num_rows:
            problems.add(f"{split} has {seen.num_rows} rows, the manifest says {num_rows}")
        if seen.num_rows and (seen.lowest < 0 or seen.highest >= manifest.vocab_size):
            problems.add(f"{split} has ids from {seen.lowest} to {seen.highest}")
        if seen.num_outside:
            problems.add(f"{split} has tokens outside its examples")
        if seen.num_tokens != manifest.num_tokens[split]:
            problems.add(f"{split} counts other tokens than the manifest")
    return all_hold(problems, subject="ids", facts={"vocab_size": manifest.vocab_size})


@dataclass
class _Seen:
    """What was seen of the ids of one split."""

    num_rows: int = 0
    num_tokens: int = 0
    num_outside: int = 0
    lowest: int = 0
    highest: int = 0

    def add(self, part: Part, *, pad_token_id: int) -> None:
        """Take in some rows."""
        is_outside = part.segment_ids == 0
        self.num_rows += len(part.input_ids)
        self.num_tokens += int((~is_outside).sum())
        self.num_outside += int((part.input_ids[is_outside] != pad_token_id).sum())
        self.lowest = min(self.lowest, int(part.input_ids.min()))
        self.highest = max(self.highest, int(part.input_ids.max()))


def every_completion_is_supervised(subject: Subject) -> Outcome:
    """In each example exactly the completion carries loss, it is not empty, and it ends with EOS."""
    tokens = Tokens(subject.snapshot)
    problems, num_supervised = Problems(), 0
    for example in tokens.examples():
        num_supervised += int(example.mask.sum())
        completion = example.mask[example.num_prompt_tokens :]
        if not (completion.size and completion.all()) or example.mask[: example.num_prompt_tokens].any():
            problems.add(f"{example.trace_id}: the loss mask is not the completion")
        if not example.ids.size or example.ids[-1] != tokens.manifest.eos_token_id:
            problems.add(f"{example.trace_id}: the last label is not EOS")
    total = sum(int(part.loss_mask.sum()) for part in tokens.parts())
    if total != num_supervised:
        problems.add(f"{total - num_supervised} supervised tokens belong to no example")
    return all_hold(problems, subject="loss mask", facts={"num_supervised_tokens": num_supervised})


def examples_cannot_see_each_other(subject: Subject) -> Outcome:
    """Each example has a segment of its own in its row, and its positions count from 0."""
    import numpy as np

    problems, num_examples = Problems(), 0
    for (split, row), examples in groupby(Tokens(subject.snapshot).examples(), key=_row):
        owners: Counter[int] = Counter()
        for example in examples:
            num_examples += 1
            segments = np.unique(example.segments).tolist()
            owners.update(segments)
            if len(segments) != 1 or 0 in segments:
                problems.add(f"{example.trace_id}: the example lies in the segments {segments}")
            if not np.array_equal(example.positions, np.arange(len(example.ids))):
                problems.add(f"{example.trace_id}: the positions do not count from 0")
        problems.extend(
            f"{count} examples share segment {segment} of row {row} of {split}"
            for segment, count in owners.items()
            if count > 1
        )
    return all_hold(problems, subject="segments", facts={"num_examples": num_examples})


def _row(example: Supervision) -> tuple[str, int]:
    return example.split, example.row


def tokens_read_back_as_the_export(subject: Subject) -> Outcome:
    """Decoded, each example is its exported prompt and response; none is missing that was not left out."""
    tokens = Tokens(subject.snapshot)
    export = subject.store.slot("sft_export", subject.dataset_version).resolve(tokens.manifest.export_digest)
    expected = _exported(tokens, export)
    first: dict[tuple[str, str], tuple[str, str]] = {}
    num_examples = num_differing = 0
    for example, *texts in _decoded(tokens):
        num_examples += 1
        if expected.get(_key(example.split, example.trace_id)) != _key(*texts):
            num_differing += 1
            if len(first) < _NUM_NAMED:
                first[example.split, example.trace_id] = (texts[0], texts[1])
    problems = Problems(_told(first, export))
    problems.num_found += num_differing - len(first)
    num_expected = len(expected) - sum(tokens.manifest.num_truncated.values())
    if num_examples != num_expected:
        problems.add(f"there are {num_examples} examples, the export gives {num_expected}")
    return all_hold(problems, subject="round trip", facts={"num_examples": num_examples})


def _exported(tokens: Tokens, export: Snapshot) -> dict[int, int]:
    """Return for each exported example what its texts come to: some bytes, not the texts."""
    return {
        _key(split, record["id"]): _key(record["prompt"], record["response"])
        for split in tokens.manifest.num_rows
        for record in export_records(export, "training_example", split)
    }


def _key(*texts: str) -> int:
    return text_key("\0".join(texts))


def _decoded(tokens: Tokens) -> Iterator[tuple[Supervision, str, str]]:
    """Yield each example with the text that is read and the text that is learned."""
    waiting = tokens.examples()
    while some := list(islice(waiting, _EXAMPLES_AT_ONCE)):
        read = tokens.tokenizer.decode_batch([one.ids[: one.num_prompt_tokens].tolist() for one in some])
        learned = tokens.tokenizer.decode_batch([one.ids[one.mask == 1].tolist() for one in some])
        yield from zip(some, read, learned, strict=True)


def _told(first: dict[tuple[str, str], tuple[str, str]], export: Snapshot) -> Iterator[str]:
    """Yield what differs, in a sentence for each example; the export is read again for its texts."""
    records = {
        (split, record["id"]): record
        for split in {split for split, _ in first}
        for record in export_records(export, "training_example", split)
        if (split, record["id"]) in first
    }
    for key, texts in first.items():
        record = records.get(key, {"prompt": None, "response": None})
        pairs = zip(texts, (record["prompt"], record["response"]), strict=True)
        yield "; ".join(
            f"{key[1]}: {found!r:.80} is not {expected!r:.80}"
            for found, expected in pairs
            if found != expected
        )


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
