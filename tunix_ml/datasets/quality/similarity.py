"""Sets of shingles and how alike they are: the shared part of all that two of them hold (Jaccard)."""

from typing import TYPE_CHECKING, NamedTuple

from tunix_ml.datasets.quality.grams import Grams, grams, parts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 3
# So many at once: temporary arrays take some ten times eight bytes for each.
_CHUNK_SHINGLES = 1_000_000
_CHUNK_WORDS = 1_000_000


class ShingleSets(NamedTuple):
    """The distinct shingles of each text, the rarest first.

    A shingle's number is its rank by frequency over all texts; `bounds` says where each text's set starts,
    and at last where the last one ends.
    """

    shingles: "NDArray[np.uint32]"
    bounds: "NDArray[np.int64]"

    def sizes(self) -> "NDArray[np.int64]":
        """Return the number of shingles of each text."""
        import numpy as np  # noqa: PLC0415 - not at the load of the definitions

        return np.diff(self.bounds)


class Pairs(NamedTuple):
    """Pairs of texts by their places in the corpus, the earlier one first, and how alike they are."""

    first: "NDArray[np.int64]"
    second: "NDArray[np.int64]"
    similarity: "NDArray[np.float64]"
    num_cut: int


def shingle_sets(ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]") -> ShingleSets:
    """Return the shingles of texts given by the numbers of their words."""
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    known, ranks = _ranked(ids, bounds)
    width = max(len(known), 1)
    shingles, ends, num = np.empty(len(ids), dtype=np.uint32), np.zeros(len(bounds), dtype=np.int64), 0
    for start, end in parts(bounds, num_words=_CHUNK_WORDS):
        found = _shingles(ids, bounds, start, end)
        hashes, inverse = np.unique(found.hashes, return_inverse=True)
        members = np.unique(found.texts * width + ranks[np.searchsorted(known, hashes)][inverse])
        shingles[num : num + len(members)] = members % width
        ends[start + 1 : end + 1] = num + np.searchsorted(members, np.arange(1, end - start + 1) * width)
        num += len(members)
    return ShingleSets(shingles[:num], ends)


def _ranked(
    ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]"
) -> "tuple[NDArray[np.uint64], NDArray[np.uint32]]":
    """Return the hash of every shingle in order, and its rank by frequency over all texts."""
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    hashes, num = np.empty(len(ids), dtype=np.uint64), 0
    for start, end in parts(bounds, num_words=_CHUNK_WORDS):
        found = _shingles(ids, bounds, start, end).hashes
        hashes[num : num + len(found)] = found
        num += len(found)
    hashes = hashes[:num]
    hashes.sort()
    is_first = np.ones(num, dtype=np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    known = hashes[is_first]
    del hashes
    counts = np.diff(np.flatnonzero(is_first), append=num)
    ranks = np.empty(len(known), dtype=np.uint32)
    ranks[np.argsort(counts, kind="stable")] = np.arange(len(known), dtype=np.uint32)
    return known, ranks


def _shingles(ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]", start: int, end: int) -> Grams:
    """Return the shingles of some texts, which are counted from the first of these."""
    part = bounds[start : end + 1]
    return grams(ids[part[0] : part[-1]], part - part[0], length=SHINGLE_WORDS)


def similarities(
    sets: ShingleSets, first: "NDArray[np.int64]", second: "NDArray[np.int64]"
) -> "NDArray[np.float64]":
    """Return the Jaccard similarity of each pair of texts, computed exactly."""
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    sizes = sets.sizes()
    ends = np.cumsum(sizes[first] + sizes[second])
    chunks = np.searchsorted(ends, np.arange(_CHUNK_SHINGLES, ends[-1] if len(ends) else 0, _CHUNK_SHINGLES))
    found = [
        _similarities(sets, sizes, one, other)
        for one, other in zip(np.split(first, chunks), np.split(second, chunks), strict=True)
    ]
    return np.concatenate(found)


def _similarities(
    sets: ShingleSets,
    sizes: "NDArray[np.int64]",
    first: "NDArray[np.int64]",
    second: "NDArray[np.int64]",
) -> "NDArray[np.float64]":
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    width = int(sets.shingles.max(initial=0)) + 1
    members = np.sort(np.concatenate([_members(sets, sizes, texts, width) for texts in (first, second)]))
    shared = members[1:][members[1:] == members[:-1]] // width
    common = np.bincount(shared, minlength=len(first))
    found: NDArray[np.float64] = common / np.maximum(sizes[first] + sizes[second] - common, 1)
    return found


def _members(
    sets: ShingleSets, sizes: "NDArray[np.int64]", texts: "NDArray[np.int64]", width: int
) -> "NDArray[np.int64]":
    """Return the shingles of some texts, each joined with the number of the pair it belongs to."""
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    lengths = sizes[texts]
    pairs = np.repeat(np.arange(len(texts)), lengths)
    offsets = np.arange(len(pairs)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found: NDArray[np.int64] = pairs * width + sets.shingles[sets.bounds[texts][pairs] + offsets]
    return found
