"""Runs of neighbouring words as 64-bit numbers, for all texts of a corpus at once."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FACTOR = 0x9E3779B97F4A7C15  # odd; the golden ratio in 64 bits


class Grams(NamedTuple):
    """The runs of `length` words: their hashes, the text each stands in, and where it starts there."""

    hashes: "NDArray[np.uint64]"
    texts: "NDArray[np.int64]"
    starts: "NDArray[np.int64]"


def parts(bounds: "NDArray[np.int64]", *, num_words: int) -> Iterator[tuple[int, int]]:
    """Yield the texts in runs of about so many words: the first one, and the one after the last.

    Args:
        bounds: where each text starts, and at last where the last one ends.
        num_words: a run is longer by less than a text.
    """
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    ends = np.searchsorted(bounds, np.arange(num_words, bounds[-1], num_words))
    edges = np.unique([0, *ends.tolist(), len(bounds) - 1]).tolist()
    yield from itertools.pairwise(edges)


def grams(ids: "NDArray[np.uint32]", bounds: "NDArray[np.int64]", *, length: int) -> Grams:
    """Return every run of `length` words that lies within one text.

    Args:
        ids: numbers of the words of all texts, one text after the other.
        bounds: where each text starts, and at last where the last one ends.
        length: of a run, in words.
    """
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    lengths = np.diff(bounds)
    texts = np.repeat(np.arange(len(lengths)), lengths)
    if len(ids) < length:
        nothing = np.zeros(0, dtype=np.int64)
        return Grams(nothing.astype(np.uint64), nothing, nothing)
    count = len(ids) - length + 1
    is_within = texts[:count] == texts[length - 1 :]
    places = np.arange(count)[is_within]
    hashes = rolling(mix(ids.astype(np.uint64)), length=length)[is_within]
    return Grams(hashes, texts[:count][is_within], places - bounds[texts[places]])


def rolling(values: "NDArray[np.uint64]", *, length: int) -> "NDArray[np.uint64]":
    """Return the hash of the `length` values from each place on, by Horner's rule modulo 2^64."""
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    count = len(values) - length + 1
    total = np.zeros(count, dtype=np.uint64)
    for offset in range(length):
        total = total * np.uint64(_FACTOR) + values[offset : offset + count]
    return mix(total)


def mix(values: "NDArray[np.uint64]") -> "NDArray[np.uint64]":
    """Return numbers scattered over all of 64 bits, one to one.

    Source: the finaliser of SplitMix64, Steele, Lea and Flood 2014.
    """
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    values = values + np.uint64(_FACTOR)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
