import numpy as np
import pytest

from tunix_ml.datasets.quality import similarity
from tunix_ml.datasets.quality.similarity import shingle_sets, similarities


def sets(*texts: list[int]) -> similarity.ShingleSets:
    bounds = np.cumsum([0, *map(len, texts)])
    return shingle_sets(np.array([word for text in texts for word in text], dtype=np.uint32), bounds)


def test_a_text_has_each_shingle_once() -> None:
    found = sets([1, 2, 3, 1, 2, 3], [1, 2, 3], [4, 5])

    assert found.sizes().tolist() == [3, 1, 0]


def test_the_rarest_shingles_come_first() -> None:
    found = sets([1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 6])

    last = found.shingles[found.bounds[1] - 1]
    assert all(found.shingles[end - 1] == last for end in found.bounds[1:])


def test_similarity_is_the_shared_part_of_all() -> None:
    found = sets([1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [7, 8, 9])

    # 123 234 345 against 123 234 346: two of four.
    values = similarities(found, np.array([0, 0, 0]), np.array([1, 2, 0]))

    assert values.tolist() == [0.5, 0.0, 1.0]


def test_many_pairs_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sets(*([1, 2, 3, word] for word in range(4, 24)))
    first, second = np.arange(19), np.arange(1, 20)
    whole = similarities(found, first, second)
    monkeypatch.setattr(similarity, "_CHUNK_SHINGLES", 7)

    assert similarities(found, first, second).tolist() == whole.tolist() == [1 / 3] * 19


def test_no_pair_has_no_similarity() -> None:
    nothing = np.zeros(0, dtype=np.int64)

    assert similarities(sets([1, 2, 3]), nothing, nothing).tolist() == []
