from array import array

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.reject import Reject
from tunix_ml.datasets.tally import NUM_NAMED_REJECTS, FirstPlaces, Place, Spread, Tally

A, B, C = (bytes([number]) * 16 for number in range(3))


def lines(*numbers: int) -> bytes:
    return array("q", numbers).tobytes()


def test_content_seen_before_is_found_with_its_first_place() -> None:
    places = FirstPlaces()

    assert places.find_repeated([A, B], "one", lines(1, 2)) == {}
    assert places.find_repeated([C, B, C], "two", lines(7, 8, 9)) == {1: Place("one", 2), 2: Place("two", 7)}
    assert places.find_repeated([B, A], ["one", "three"], lines(3, 1)) == {
        0: Place("one", 2),
        1: Place("one", 1),
    }


def test_a_spread_is_that_of_all_numbers() -> None:
    spread = Spread()
    spread.add(total=9, count=2, smallest=4, largest=5)
    spread.add(total=1, count=1, smallest=1, largest=1)

    assert spread.summary() == {"min": 1, "mean": 3.333, "max": 5}


def test_nothing_has_no_spread() -> None:
    with pytest.raises(ContractError, match="empty dataset"):
        Spread().summary()


def test_rejects_are_counted_and_the_first_are_kept() -> None:
    tally = Tally()

    for line in range(3 * NUM_NAMED_REJECTS):
        tally.reject([Reject("a", line, 0, "contract", "m", "s", "e")])
    tally.keep_digests(bytes(64))
    tally.filtered += 3

    assert (tally.rejected, len(tally.first_rejects)) == (60, NUM_NAMED_REJECTS)
    assert tally.read == 60 + 2 + 3
    assert tally.records_by_source == {"a": 60}
