"""Splits by groups of near-duplicates: traces that are alike never stand in two of them.

The groups are known only when all rows are, so the table is read once more, and written anew if a row has to
move. Memory and time are those of the search for duplicates, see `quality.duplicates`.
"""

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.quality import QualityConfig
from tunix_ml.contracts.trace import SPLITS, Split
from tunix_ml.datasets.identities import DIGEST_BYTES, row_digests
from tunix_ml.datasets.quality.duplicates import find_duplicates, padded
from tunix_ml.datasets.quality.questions import text_key
from tunix_ml.datasets.quality.words import Corpus, Vocabulary, words
from tunix_ml.datasets.splits import splits_of_fractions
from tunix_ml.datasets.tally import Tally
from tunix_ml.parquet import read_batches, write_batches
from tunix_ml.traces.answers import normalise_text
from tunix_ml.traces.prompts import normalise_prompt, prompt_fraction

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH_ROWS = 20_000
_COLUMNS = ("prompt", "final_answer", "split")


class _Texts(NamedTuple):
    """What is needed of every row to find its group and the split of that."""

    corpus: Corpus
    keys: "array[int]"
    prompt_keys: "array[int]"
    fractions: "array[float]"
    splits: "array[int]"


def regroup_splits(path: Path, tally: Tally, *, shares: Mapping[Split, float]) -> int:
    """Put each group of near-duplicates, and of equal prompts, into one split; return how many rows moved.

    The member whose prompt has the smallest hash decides, so that a row without a near-duplicate stays where
    its own prompt puts it. The tally's row digests and counts follow.
    """
    texts = _read(path)
    groups = _groups(texts)
    least = np.full(len(groups), 1.0)
    np.minimum.at(least, groups, np.array(texts.fractions))
    wanted = np.array([SPLITS.index(split) for split in splits_of_fractions(least[groups].tolist(), shares)])
    moved = np.flatnonzero(wanted != np.array(texts.splits))
    if len(moved):
        _rewrite(path, tally, wanted.tolist(), set(moved.tolist()))
    return len(moved)


def _read(path: Path) -> _Texts:
    texts = _Texts(Corpus(), array("Q"), array("Q"), array("d"), array("b"))
    vocabulary = Vocabulary()
    for table in read_batches(path, columns=_COLUMNS):
        for prompt, answer, split in zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True):
            texts.corpus.add(padded(vocabulary.ids([*words(prompt), *words(answer)])))
            texts.keys.append(text_key(f"{normalise_prompt(prompt)}\0{normalise_text(answer)}"))
            texts.prompt_keys.append(text_key(normalise_prompt(prompt)))
            texts.fractions.append(prompt_fraction(prompt))
            texts.splits.append(SPLITS.index(split))
    return texts


def _groups(texts: _Texts) -> "NDArray[np.int64]":
    """Return for each row the place of a row that stands for its group."""
    threshold = QualityConfig().near_duplicate_similarity
    keys = np.array(texts.keys, dtype=np.uint64)
    found = find_duplicates(texts.corpus, keys, threshold=threshold).found
    _, first, inverse = np.unique(
        np.array(texts.prompt_keys, dtype=np.uint64), return_index=True, return_inverse=True
    )
    parents: list[int] = first[inverse].tolist()

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for pair in found:
        parents[root(pair.later)] = root(pair.earlier)
    return np.array([root(place) for place in range(len(parents))], dtype=np.int64)


def _rewrite(path: Path, tally: Tally, splits: list[int], moved: set[int]) -> None:
    draft = path.with_suffix(".regrouped")
    tables = _regrouped(path, tally, splits, moved)
    write_batches(tables, draft, schema=traces_table.TRACES_SCHEMA.arrow())
    draft.replace(path)
    tally.splits.clear()
    tally.splits.update(SPLITS[split] for split in splits)


def _regrouped(path: Path, tally: Tally, splits: list[int], moved: set[int]) -> Iterator[pa.Table]:
    start = 0
    for table in read_batches(path, num_rows=_BATCH_ROWS):
        places = range(start, start + table.num_rows)
        column = pa.array([SPLITS[splits[place]] for place in places], pa.string())
        position = table.schema.get_field_index("split")
        regrouped = table.set_column(position, table.schema.field(position), column)
        chosen = [place for place in places if place in moved]
        rows = regrouped.take(pa.array([place - start for place in chosen], pa.int64()))
        for place, row in zip(chosen, traces_table.from_table(rows), strict=True):
            digest = row_digests([canonical_json(row.trace.record())], [row.split])
            tally.row_digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES] = digest
        yield regrouped
        start += table.num_rows
