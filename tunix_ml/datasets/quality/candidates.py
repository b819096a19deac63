"""Which texts are worth comparing: those that share a key, and are near enough in size to be alike."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunix_ml.datasets.quality.grams import mix
from tunix_ml.datasets.quality.similarity import Pairs, ShingleSets, similarities

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_BANDS = 32
ROWS_PER_BAND = 4
# In a crowd larger than this, whose texts all share a key, each is compared with so many that follow it.
_WINDOW = 500


class _Candidates(NamedTuple):
    pairs: "NDArray[np.int64]"
    num_cut: int


def exact_join(sets: ShingleSets, *, threshold: float) -> Pairs:
    """Return every pair of texts at least as alike as the threshold.

    Two sets that are must share one of the few rarest shingles of each, so that only those are looked up.
    Empty sets have no pairs. What `num_cut` counts is incomplete; else nothing is missed.

    Source: prefix filtering, Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007.
    """
    sizes = sets.sizes()
    prefixes = np.where(sizes > 0, sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, 0)
    texts = np.repeat(np.arange(len(sizes)), prefixes)
    offsets = np.arange(len(texts)) - np.repeat(np.cumsum(prefixes) - prefixes, prefixes)
    keys = sets.shingles[sets.bounds[texts] + offsets]
    return _verified(sets, _sharing(keys, texts, sizes, threshold), threshold)


def minhash_join(sets: ShingleSets, *, threshold: float, seed: int = 0) -> Pairs:
    """Return nearly every pair of texts at least as alike as the threshold, and no other.

    The least of the hashed shingles agrees for two sets as often as they are alike; texts that agree in all
    rows of one band are compared exactly. A pair at 0.8 is missed with probability 5e-8, were the hash
    functions random.

    Source: Broder 1997; banding as in Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.
    """
    sizes = sets.sizes()
    filled = np.flatnonzero(sizes)
    candidates, num_cut = [np.zeros(0, dtype=np.int64)], 0
    for band in range(NUM_BANDS):
        keys = _band(sets, filled, seed=seed * NUM_BANDS + band)
        found = _sharing(keys, filled, sizes, threshold)
        candidates.append(found.pairs)
        num_cut += found.num_cut
    return _verified(sets, _Candidates(np.unique(np.concatenate(candidates)), num_cut), threshold)


def _band(sets: ShingleSets, filled: "NDArray[np.int64]", *, seed: int) -> "NDArray[np.uint64]":
    key = np.zeros(len(filled), dtype=np.uint64)
    shingles = sets.shingles.astype(np.uint64)
    for row in range(ROWS_PER_BAND if len(filled) else 0):
        salt = mix(np.array([seed * ROWS_PER_BAND + row], dtype=np.uint64))
        key = mix(key ^ np.minimum.reduceat(mix(shingles ^ salt), sets.bounds[filled]))
    return key


def _sharing(
    keys: "NDArray[np.uint64 | np.int64]",
    texts: "NDArray[np.int64]",
    sizes: "NDArray[np.int64]",
    threshold: float,
) -> _Candidates:
    """Return the pairs of texts that share a key and whose sizes allow the similarity, each once."""
    order = np.lexsort((texts, sizes[texts], keys))
    keys, texts = keys[order], texts[order]
    alive, found, distance = np.arange(len(keys)), [np.zeros(0, dtype=np.int64)], 0
    while len(alive) and distance < _WINDOW:
        distance += 1
        alive = alive[alive + distance < len(keys)]
        small, large = texts[alive], texts[alive + distance]
        is_near = (keys[alive] == keys[alive + distance]) & (sizes[small] >= threshold * sizes[large])
        alive = alive[is_near]
        first, second = np.minimum(small, large)[is_near], np.maximum(small, large)[is_near]
        found.append(first * len(sizes) + second)
    pairs = np.unique(np.concatenate(found))
    return _Candidates(pairs, len(np.unique(keys[alive])))


def _verified(sets: ShingleSets, candidates: _Candidates, threshold: float) -> Pairs:
    width = max(len(sets.bounds) - 1, 1)
    first, second = candidates.pairs // width, candidates.pairs % width
    similarity = similarities(sets, first, second)
    is_alike = similarity >= threshold - 1e-9
    return Pairs(first[is_alike], second[is_alike], similarity[is_alike], candidates.num_cut)
