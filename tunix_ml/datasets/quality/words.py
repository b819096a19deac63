"""Texts as numbered words, by which they are compared: case, width, punctuation and `1,000` do not matter."""

import re
import unicodedata
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Scripts written without spaces count by the character; a hyphen inside a word does not count.
_WORD = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"
    r"|[^\W\d_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
    r"|[+*/=<>%^\u00d7\u00f7\u221a]|(?<![^\W\d_])-|-(?![^\W\d_])"
)
_NUMERALS = frozenset(
    re.findall(
        r"\w+",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
        " sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred"
        " thousand million billion dozen",
    )
)
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
MASK = "#"


def words(text: str) -> list[str]:
    """Return the words, numbers and signs of arithmetic of a text, in their order."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_MINUS)
    return [
        match[0].replace(",", "") if match.lastgroup else match[0]
        for match in _WORD.finditer(text.casefold())
    ]


def is_number(word: str) -> bool:
    """Say whether a word is a number, in digits or as an English numeral."""
    return word[0].isdigit() or word in _NUMERALS


def masked(text_words: Iterable[str]) -> list[str]:
    """Return words with each run of numbers replaced by one mask."""
    found: list[str] = []
    for word in text_words:
        if not is_number(word):
            found.append(word)
        elif not found or found[-1] != MASK:
            found.append(MASK)
    return found


class Vocabulary:
    """Numbers words from 1 in the order in which they are first seen."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, text_words: Iterable[str]) -> list[int]:
        """Return the number of each word; a new word gets the next one."""
        known = self._ids
        return [known.setdefault(word, len(known) + 1) for word in text_words]

    def masks(self) -> "NDArray[np.uint32]":
        """Return for each number of a word what it is when numbers are masked: 0 for a number."""
        import numpy as np  # noqa: PLC0415 - not at the load of the definitions

        found = np.arange(len(self) + 1, dtype=np.uint32)
        found[[number for word, number in self._ids.items() if is_number(word)]] = 0
        return found


class Corpus:
    """Many texts as the numbers of their words, in two flat arrays.

    What it returns is its own memory, not a copy: while that is in use, no text can be added.
    """

    def __init__(self) -> None:
        self._words = array("I")
        self._bounds = array("q", [0])

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def add(self, ids: Iterable[int]) -> None:
        """Add one text."""
        self._words.extend(ids)
        self._bounds.append(len(self._words))

    def ids(self) -> "NDArray[np.uint32]":
        """Return the words of all texts, one text after the other."""
        import numpy as np  # noqa: PLC0415 - not at the load of the definitions

        return np.asarray(self._words, dtype=np.uint32)

    def starts(self) -> "NDArray[np.int64]":
        """Return where each text starts, and at last where the last one ends: one more than there are."""
        import numpy as np  # noqa: PLC0415 - not at the load of the definitions

        return np.asarray(self._bounds, dtype=np.int64)
