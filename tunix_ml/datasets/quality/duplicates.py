"""Traces that stand in a dataset more than once: the same question and answer, or nearly the same words."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunix_ml.contracts.quality import DuplicateKind
from tunix_ml.datasets.quality.candidates import exact_join, minhash_join
from tunix_ml.datasets.quality.similarity import SHINGLE_WORDS, Pairs, ShingleSets, shingle_sets
from tunix_ml.datasets.quality.words import Corpus

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_EXACT_JOIN = 50_000
NUM_PLANTED = 200


class Duplicate(NamedTuple):
    """Two texts by their places: `later` repeats `earlier`."""

    kind: DuplicateKind
    earlier: int
    later: int
    similarity: float


class Duplicates(NamedTuple):
    """All that was found, and how well the search finds what is known to be there."""

    found: list[Duplicate]
    method: str
    num_cut: int
    num_planted: int
    num_recalled: int


def find_duplicates(
    corpus: Corpus,
    keys: "NDArray[np.uint64]",
    *,
    threshold: float,
    max_exact_join: int = MAX_EXACT_JOIN,
) -> Duplicates:
    """Return the texts whose key an earlier one has, and the pairs of others that are nearly alike.

    Up to `max_exact_join` different texts every two are compared; beyond, those that MinHash brings
    together. Altered copies of some texts are put in, and searched for with the rest: the share of them that
    is found is measured, not promised.

    Args:
        corpus: words of question and answer of each trace, see `padded`.
        keys: equal for traces with the same question and answer.
        threshold: Jaccard similarity of shingles from which on two texts are nearly alike.
        max_exact_join: so many texts are compared with all others.
    """
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    firsts = first[inverse]
    later = np.flatnonzero(firsts != np.arange(len(keys)))
    exact = [Duplicate("exact", int(firsts[place]), int(place), 1.0) for place in later]
    distinct = np.sort(first)
    sets, originals = _searched(corpus, distinct)
    is_small = len(distinct) <= max_exact_join
    pairs = (exact_join if is_small else minhash_join)(sets, threshold=threshold)
    is_real = pairs.second < len(distinct)
    near = [
        Duplicate("near", int(earlier), int(place), float(similarity))
        for earlier, place, similarity in zip(
            distinct[pairs.first[is_real]],
            distinct[pairs.second[is_real]],
            pairs.similarity[is_real],
            strict=True,
        )
    ]
    num_planted, num_recalled = _recall(sets, pairs, originals, len(distinct), threshold)
    method = "exact_join" if is_small else "minhash"
    return Duplicates([*exact, *near], method, pairs.num_cut, num_planted, num_recalled)


def padded(ids: list[int]) -> list[int]:
    """Return the words of a text so that it has at least one shingle."""
    return ids + [0] * (SHINGLE_WORDS - len(ids))


def num_clusters(found: list[Duplicate]) -> int:
    """Return the number of groups that the pairs connect."""
    parents: dict[int, int] = {}

    def root(place: int) -> int:
        while (parent := parents.setdefault(place, place)) != place:
            parents[place] = parents[parent]
            place = parent
        return place

    for pair in found:
        parents[root(pair.later)] = root(pair.earlier)
    return sum(place == parent for place, parent in parents.items())


class _Planted(NamedTuple):
    """Texts with altered copies of some at the end: the copy of `originals[k]` is the k-th of them."""

    ids: "NDArray[np.uint32]"
    bounds: "NDArray[np.int64]"
    originals: "NDArray[np.int64]"


def _searched(corpus: Corpus, distinct: "NDArray[np.int64]") -> "tuple[ShingleSets, NDArray[np.int64]]":
    """Return the shingles of the different texts and of the altered copies, and what these are copies of."""
    planted = _plant(*_select(corpus.ids(), corpus.starts(), distinct))
    return shingle_sets(planted.ids, planted.bounds), planted.originals


def _select(
    ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]", places: "NDArray[np.int64]"
) -> "tuple[NDArray[np.uint32], NDArray[np.int64]]":
    """Return some texts of a corpus, given by their places in order."""
    if len(places) == len(bounds) - 1:
        return ids, bounds
    lengths = np.diff(bounds)
    is_chosen = np.zeros(len(lengths), dtype=np.bool_)
    is_chosen[places] = True
    return ids[np.repeat(is_chosen, lengths)], np.concatenate([[0], np.cumsum(lengths[places])])


def _plant(ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]") -> _Planted:
    """Put in a copy of every n-th text, in which the first, the middle or the last word is another."""
    total = len(bounds) - 1
    originals = np.unique(np.linspace(0, total - 1, min(NUM_PLANTED, total)).astype(np.int64))
    new_word = int(ids.max(initial=0)) + 1
    copies = []
    for turn, place in enumerate(originals.tolist()):
        copy = ids[bounds[place] : bounds[place + 1]].copy()
        copy[(0, len(copy) // 2, len(copy) - 1)[turn % 3]] = new_word + turn
        copies.append(copy)
    ends = bounds[-1] + np.cumsum([len(copy) for copy in copies], dtype=np.int64)
    return _Planted(np.concatenate([ids, *copies]), np.concatenate([bounds, ends]), originals)


def _recall(
    sets: ShingleSets, pairs: Pairs, originals: "NDArray[np.int64]", num_texts: int, threshold: float
) -> tuple[int, int]:
    """Return how many copies are as alike their originals as the threshold, and how many were found."""
    sizes = sets.sizes()
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    expected = [
        (original, num_texts + number)
        for number, original in enumerate(originals.tolist())
        if _shared(sets, original, num_texts + number)
        >= threshold * (sizes[original] + sizes[num_texts + number]) / (1 + threshold) - 1e-9
    ]
    return len(expected), sum(pair in found for pair in expected)


def _shared(sets: ShingleSets, first: int, second: int) -> int:
    """Return how many shingles two texts share, counted in another way than the search counts them."""
    one, other = (
        set(sets.shingles[sets.bounds[text] : sets.bounds[text + 1]].tolist()) for text in (first, second)
    )
    return len(one & other)
