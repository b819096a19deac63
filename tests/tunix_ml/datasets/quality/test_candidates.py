import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest

from tunix_ml.datasets.quality import candidates
from tunix_ml.datasets.quality.candidates import exact_join, minhash_join
from tunix_ml.datasets.quality.similarity import Pairs, ShingleSets, shingle_sets

JOINS = [exact_join, minhash_join]


def sets(texts: list[list[int]]) -> ShingleSets:
    bounds = np.cumsum([0, *map(len, texts)])
    return shingle_sets(np.array([word for text in texts for word in text], dtype=np.uint32), bounds)


def texts_and_variants(seed: int) -> list[list[int]]:
    """Random texts from few words, each with variants in which one to three words are others."""
    rng = random.Random(seed)
    texts = []
    for _ in range(40):
        text = [rng.randint(1, 60) for _ in range(rng.randint(3, 60))]
        texts.append(text)
        for changes in (1, 2, 3):
            variant = list(text)
            for place in rng.sample(range(len(text)), min(changes, len(text))):
                variant[place] = rng.randint(1, 60)
            texts.append(variant)
    return texts


def every_pair(texts: list[list[int]], threshold: float) -> set[tuple[int, int]]:
    """The pairs as the definition has them, each compared with each."""
    shingles = [{tuple(text[i : i + 3]) for i in range(len(text) - 2)} for text in texts]
    return {
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(shingles[i] & shingles[j]) >= threshold * len(shingles[i] | shingles[j]) - 1e-9
    }


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("threshold", [0.6, 0.8, 1.0])
def test_a_join_finds_what_comparing_all_with_all_finds(join: Callable[..., Pairs], threshold: float) -> None:
    texts = texts_and_variants(seed=5)

    found = join(sets(texts), threshold=threshold)

    expected = every_pair(texts, threshold)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert expected
    assert pairs == expected if join is exact_join or threshold > 0.6 else pairs <= expected
    assert (found.similarity >= threshold - 1e-9).all()
    assert found.num_cut == 0


def test_sketches_of_two_texts_differ_in_no_more_than_their_shingles_do() -> None:
    found = sets(texts_and_variants(seed=6))
    members = [set(part.tolist()) for part in np.split(found.shingles, found.bounds[1:-1])]

    sketches = candidates._sketches(found).tolist()

    pairs = list(itertools.combinations(range(len(members)), 2))
    assert all((sketches[i] ^ sketches[j]).bit_count() <= len(members[i] ^ members[j]) for i, j in pairs)
    assert any((sketches[i] ^ sketches[j]).bit_count() > 20 for i, j in pairs)


@pytest.mark.parametrize("join", JOINS)
def test_nothing_and_empty_texts_have_no_pairs(join: Callable[..., Pairs]) -> None:
    assert len(join(sets([]), threshold=0.8).first) == 0
    assert len(join(sets([[1, 2], [1, 2]]), threshold=0.8).first) == 0


@pytest.mark.parametrize("join", JOINS)
def test_a_crowd_beyond_the_window_is_cut_and_said_to_be(
    join: Callable[..., Pairs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_WINDOW", 3)

    found = join(sets([[1, 2, 3, 4]] * 10), threshold=0.8)

    assert found.num_cut > 0
    assert 0 < len(found.first) < 45
