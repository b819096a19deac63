"""Which texts are worth comparing: those that share a key, and are near enough in size to be alike."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tunix_ml.datasets.quality.grams import mix, parts
from tunix_ml.datasets.quality.similarity import Pairs, ShingleSets, similarities

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_BANDS = 32
ROWS_PER_BAND = 4
# In a crowd larger than this, whose texts all share a key, each is compared with so many that follow it.
_WINDOW = 500
# Hashed at once: few enough to stay in the processor's cache.
_CHUNK_SHINGLES = 50_000


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
    found = _sharing(keys, texts, _Texts(sizes, _sketches(sets), threshold))
    return _verified(sets, found, threshold)


def minhash_join(sets: ShingleSets, *, threshold: float, seed: int = 0) -> Pairs:
    """Return nearly every pair of texts at least as alike as the threshold, and no other.

    The least of the hashed shingles agrees for two sets as often as they are alike; texts that agree in all
    rows of one band are compared exactly. A pair at 0.8 is missed with probability 5e-8, were the hash
    functions random.

    Source: Broder 1997; banding as in Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.
    """
    texts = _Texts(sets.sizes(), _sketches(sets), threshold)
    filled = np.flatnonzero(texts.sizes)
    candidates, num_cut = [np.zeros(0, dtype=np.int64)], 0
    for band in range(NUM_BANDS):
        keys = _band(sets, filled, seed=seed * NUM_BANDS + band)
        found = _sharing(keys, filled, texts)
        candidates.append(found.pairs)
        num_cut += found.num_cut
    return _verified(sets, _Candidates(np.unique(np.concatenate(candidates)), num_cut), threshold)


def _band(sets: ShingleSets, filled: "NDArray[np.int64]", *, seed: int) -> "NDArray[np.uint64]":
    salts = [mix(np.array([seed * ROWS_PER_BAND + row], dtype=np.uint64)) for row in range(ROWS_PER_BAND)]
    keys = np.zeros(len(filled), dtype=np.uint64)
    for some, shingles, starts in _in_parts(sets, filled):
        for salt in salts:
            keys[some] = mix(keys[some] ^ np.minimum.reduceat(mix(shingles ^ salt), starts))
    return keys


def _sketches(sets: ShingleSets) -> "NDArray[np.uint64]":
    """Return 64 bits for each set, of which two sets differ in no more than they do in shingles.

    Source: odd sketches, Mitzenmacher, Pagh and Pham 2014; here for the bound alone.
    """
    filled = np.flatnonzero(sets.sizes())
    found = np.zeros(len(sets.bounds) - 1, dtype=np.uint64)
    for some, shingles, starts in _in_parts(sets, filled):
        bits = np.uint64(1) << (mix(shingles) & np.uint64(63))
        found[filled[some]] = np.bitwise_xor.reduceat(bits, starts)
    return found


def _in_parts(
    sets: ShingleSets, filled: "NDArray[np.int64]"
) -> "Iterator[tuple[slice, NDArray[np.uint64], NDArray[np.int64]]]":
    """Yield some of the sets that are not empty, their shingles, and where each of them starts in these."""
    bounds = np.append(sets.bounds[filled], sets.bounds[-1])
    for start, end in parts(bounds, num_words=_CHUNK_SHINGLES) if len(filled) else ():
        shingles = sets.shingles[bounds[start] : bounds[end]].astype(np.uint64)
        yield slice(start, end), shingles, bounds[start:end] - bounds[start]


class _Texts(NamedTuple):
    """What is needed of texts to tell whether they can be as alike as the threshold."""

    sizes: "NDArray[np.int64]"
    sketches: "NDArray[np.uint64]"
    threshold: float

    def may_be_alike(self, first: "NDArray[np.int64]", second: "NDArray[np.int64]") -> "NDArray[np.bool_]":
        """Say for each pair whether it may be; what is not so cannot be."""
        most = (1 - self.threshold) / (1 + self.threshold) * (self.sizes[first] + self.sizes[second])
        found: NDArray[np.bool_] = np.bitwise_count(self.sketches[first] ^ self.sketches[second]) <= (
            most + 1e-6
        )
        return found


def _sharing(
    keys: "NDArray[np.uint64 | np.uint32]", places: "NDArray[np.int64]", texts: _Texts
) -> _Candidates:
    """Return the pairs of texts that share a key and may be as alike as the threshold, each once."""
    sizes = texts.sizes
    order = np.lexsort((places, sizes[places], keys))
    keys, places = keys[order], places[order]
    alive, found, distance = np.arange(len(keys)), [np.zeros(0, dtype=np.int64)], 0
    while len(alive) and distance < _WINDOW:
        distance += 1
        alive = alive[alive + distance < len(keys)]
        small, large = places[alive], places[alive + distance]
        is_near = (keys[alive] == keys[alive + distance]) & (sizes[small] >= texts.threshold * sizes[large])
        alive, small, large = alive[is_near], small[is_near], large[is_near]
        is_candidate = texts.may_be_alike(small, large)
        first, second = np.minimum(small, large)[is_candidate], np.maximum(small, large)[is_candidate]
        found.append(first * len(sizes) + second)
    pairs = np.unique(np.concatenate(found))
    return _Candidates(pairs, len(np.unique(keys[alive])))


def _verified(sets: ShingleSets, candidates: _Candidates, threshold: float) -> Pairs:
    width = max(len(sets.bounds) - 1, 1)
    first, second = candidates.pairs // width, candidates.pairs % width
    similarity = similarities(sets, first, second)
    is_alike = similarity >= threshold - 1e-9
    return Pairs(first[is_alike], second[is_alike], similarity[is_alike], candidates.num_cut)
