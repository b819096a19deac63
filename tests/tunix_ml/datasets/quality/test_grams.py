import numpy as np
import pytest

from tunix_ml.datasets.quality.grams import grams, mix, parts, rolling


def test_runs_stay_within_their_text() -> None:
    found = grams(np.array([1, 2, 3, 1, 2], dtype=np.uint32), np.array([0, 3, 5]), length=2)

    assert found.texts.tolist() == [0, 0, 1]
    assert found.starts.tolist() == [0, 1, 0]
    assert found.hashes[0] == found.hashes[2] != found.hashes[1]


def test_texts_shorter_than_a_run_have_none() -> None:
    assert len(grams(np.array([1, 2], dtype=np.uint32), np.array([0, 2]), length=3).hashes) == 0
    assert len(grams(np.array([1, 2, 3, 4], dtype=np.uint32), np.array([0, 2, 4]), length=3).hashes) == 0


def test_the_order_within_a_run_counts() -> None:
    values = mix(np.array([1, 2, 1], dtype=np.uint64))

    one, other = rolling(values, length=2)

    assert one != other


def test_mixing_is_one_to_one() -> None:
    assert len(np.unique(mix(np.arange(10_000, dtype=np.uint64)))) == 10_000


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ([0, 2, 4, 9, 10], [(0, 2), (2, 3), (3, 4)]),
        ([0, 9], [(0, 1)]),
        ([0, 0, 0], [(0, 2)]),
        ([0], []),
    ],
)
def test_parts_are_whole_texts_of_about_so_many_words(ends: list[int], found: list[tuple[int, int]]) -> None:
    assert list(parts(np.array(ends), num_words=3)) == found
