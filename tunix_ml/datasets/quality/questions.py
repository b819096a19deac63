"""Many questions in a form in which they can be compared: their words, and keys for whole questions."""

import hashlib
from array import array
from typing import TYPE_CHECKING, NamedTuple

from tunix_ml.datasets.quality.words import MASK, Corpus, Vocabulary, masked, words
from tunix_ml.traces.prompts import normalise_prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# `What is # times #?` is anybody's question; with so many words beside the numbers it is somebody's.
MIN_MASKED_WORDS = 8


class QuestionArrays(NamedTuple):
    """Questions as flat arrays; a masked key of 0 stands for a question that is not compared so."""

    ids: "NDArray[np.uint32]"
    bounds: "NDArray[np.int64]"
    keys: "NDArray[np.uint64]"
    masked_keys: "NDArray[np.uint64]"
    generators: "NDArray[np.uint32]"


class Questions:
    """Questions, as they are added; all that are to be compared share one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._corpus = Corpus()
        self._keys = array("Q")
        self._masked_keys = array("Q")
        self._generators = array("I")

    def __len__(self) -> int:
        return len(self._corpus)

    def add(self, prompt: str, *, generator: int = 0) -> list[str]:
        """Add a question and return its words; questions of one generator differ in numbers by design."""
        found = words(prompt)
        self._corpus.add(self._vocabulary.ids(found))
        self._keys.append(text_key(" ".join(found) or normalise_prompt(prompt)))
        template = masked(found)
        is_told_apart = len(template) - template.count(MASK) >= MIN_MASKED_WORDS and MASK in template
        self._masked_keys.append(text_key(" ".join(template)) if is_told_apart else 0)
        self._generators.append(generator)
        return found

    def arrays(self) -> QuestionArrays:
        """Return what was added; while it is in use, no question can be added."""
        import numpy as np  # noqa: PLC0415 - not at the load of the definitions

        return QuestionArrays(
            ids=self._corpus.ids(),
            bounds=self._corpus.starts(),
            keys=np.asarray(self._keys, dtype=np.uint64),
            masked_keys=np.asarray(self._masked_keys, dtype=np.uint64),
            generators=np.asarray(self._generators, dtype=np.uint32),
        )


def text_key(text: str) -> int:
    """Return 64 bits that two different texts share with no probability worth naming; never 0."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") or 1
