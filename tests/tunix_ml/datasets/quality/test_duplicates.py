import numpy as np
import pytest

from tunix_ml.datasets.quality import candidates, similarity
from tunix_ml.datasets.quality.duplicates import Duplicate, find_duplicates, num_clusters, padded
from tunix_ml.datasets.quality.words import Corpus, Vocabulary, words

LONG = (
    "a baker sells {} rolls in the morning and {} in the afternoon to people who live around the old corner"
)


def corpus_of(texts: list[str]) -> Corpus:
    vocabulary, corpus = Vocabulary(), Corpus()
    for text in texts:
        corpus.add(padded(vocabulary.ids(words(text))))
    return corpus


def keys(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    return np.array(values, dtype=np.uint64)


def test_a_text_with_the_key_of_an_earlier_one_repeats_the_first() -> None:
    found = find_duplicates(corpus_of(["one two three"] * 3), keys(7, 7, 7), threshold=0.8)

    assert found.found == [Duplicate("exact", 0, 1, 1.0), Duplicate("exact", 0, 2, 1.0)]


@pytest.mark.parametrize("max_exact_join", [100, 1])
def test_texts_that_differ_in_punctuation_or_a_word_are_near(max_exact_join: int) -> None:
    texts = [
        LONG.format(5, 6),
        LONG.format(5, 6).upper() + "!",
        "quite another story",
        LONG.format(5, 6) + " x",
    ]

    found = find_duplicates(corpus_of(texts), keys(1, 2, 3, 4), threshold=0.8, max_exact_join=max_exact_join)

    assert found.method == ("exact_join" if max_exact_join == 100 else "minhash")
    assert [(pair.kind, pair.earlier, pair.later) for pair in found.found] == [
        ("near", 0, 1),
        ("near", 0, 3),
        ("near", 1, 3),
    ]
    assert found.found[0].similarity == 1.0


def test_other_numbers_make_another_question() -> None:
    texts = ["What is 5 + 3?", "What is 5 - 3?", "What is 6 + 3?"]

    assert find_duplicates(corpus_of(texts), keys(1, 2, 3), threshold=0.8).found == []


def test_planted_copies_are_found_and_are_no_part_of_the_result() -> None:
    texts = [LONG.format(number, 3 * number) + f" number {number} of all" for number in range(300)]

    found = find_duplicates(corpus_of(texts), keys(*range(300)), threshold=0.8)

    assert found.num_planted == found.num_recalled >= 50
    assert all(pair.later < 300 for pair in found.found)


@pytest.mark.parametrize("max_exact_join", [1_000, 1])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_texts_searched_in_parts_are_found_as_in_one(
    monkeypatch: pytest.MonkeyPatch, max_exact_join: int, size: int
) -> None:
    texts = [LONG.format(number // 2, 3) + " too" * (number % 2) for number in range(200)]
    corpus, found_by = corpus_of([*texts, "", "?", "two words"]), keys(*range(190), *range(10, 20), 1, 2, 3)
    whole = find_duplicates(corpus, found_by, threshold=0.8, max_exact_join=max_exact_join)

    monkeypatch.setattr(similarity, "_CHUNK_WORDS", size)
    monkeypatch.setattr(similarity, "_CHUNK_SHINGLES", size)
    monkeypatch.setattr(candidates, "_CHUNK_SHINGLES", size)

    assert find_duplicates(corpus, found_by, threshold=0.8, max_exact_join=max_exact_join) == whole
    assert {pair.kind for pair in whole.found} == {"exact", "near"}


def test_nothing_has_no_duplicates() -> None:
    found = find_duplicates(Corpus(), keys(), threshold=0.8)

    assert (found.found, found.num_planted) == ([], 0)


def test_pairs_make_clusters() -> None:
    pairs = [Duplicate("near", 1, 2, 0.9), Duplicate("near", 2, 3, 0.9), Duplicate("exact", 7, 8, 1.0)]

    assert num_clusters(pairs) == 2
    assert num_clusters([]) == 0
