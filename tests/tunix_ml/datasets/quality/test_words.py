import pytest

from tunix_ml.datasets.quality.words import Corpus, Vocabulary, is_number, masked, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("What IS 1,200 + 3.5?", ["what", "is", "1200", "+", "3.5"]),
        ("3,5,7", ["3", "5", "7"]),
        ("a 120-page, well-known book", ["a", "120", "-", "page", "well", "known", "book"]),
        ("5 \u2212 3 \u2013 1 = 1", ["5", "-", "3", "-", "1", "=", "1"]),
        ("\uff12 apples at $5", ["2", "apples", "at", "5"]),
        ("x2", ["x", "2"]),
        ("\u6771\u4eac 3", ["\u6771", "\u4eac", "3"]),
        ("?!", []),
    ],
)
def test_words_are_what_is_left_without_case_width_and_punctuation(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_a_run_of_numbers_is_one_mask() -> None:
    assert masked(words("Twenty five apples and 3 4 pears")) == ["#", "apples", "and", "#", "pears"]
    assert is_number("dozen")
    assert not is_number("half")


def test_a_vocabulary_numbers_words_from_one_and_masks_numbers_to_zero() -> None:
    vocabulary = Vocabulary()

    assert vocabulary.ids(["a", "7", "a", "two"]) == [1, 2, 1, 3]
    assert vocabulary.masks().tolist() == [0, 1, 0, 0]
    assert len(vocabulary) == 3


def test_a_corpus_is_flat() -> None:
    corpus = Corpus()
    corpus.add([1, 2])
    corpus.add([])
    corpus.add([3])

    assert corpus.ids().tolist() == [1, 2, 3]
    assert corpus.starts().tolist() == [0, 2, 2, 3]
    assert len(corpus) == 3
