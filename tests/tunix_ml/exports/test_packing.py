from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.exports.packing import Placement, one_per_row, pack_best_fit, pack_full_rows

CAPACITY = 64
lengths_of_examples = st.lists(st.integers(1, CAPACITY), max_size=60)


@pytest.mark.parametrize(
    ("lengths", "placements"),
    [
        # 7 | 4 4: the 2 goes where it leaves no room, not into the first row it fits.
        ([7, 4, 4, 2], [(0, 0), (1, 0), (1, 4), (1, 8)]),
        # The longest come first, whatever their order; equal ones keep theirs.
        ([2, 3, 6, 5, 5, 4, 3], [(2, 6), (2, 0), (0, 0), (1, 0), (1, 5), (0, 6), (2, 3)]),
        ([10, 10], [(0, 0), (1, 0)]),
        ([], []),
    ],
)
def test_placements_computed_by_hand(lengths: list[int], placements: list[tuple[int, int]]) -> None:
    assert pack_best_fit(lengths, capacity=10) == [Placement(*place) for place in placements]


@given(lengths_of_examples)
def test_every_example_has_cells_of_its_own_within_a_row(lengths: list[int]) -> None:
    placements = pack_best_fit(lengths, capacity=CAPACITY)

    cells = [
        (row, cell)
        for (row, start), length in zip(placements, lengths, strict=True)
        for cell in range(start, start + length)
    ]
    assert len(set(cells)) == len(cells) == sum(lengths)
    assert all(0 <= cell < CAPACITY for _, cell in cells)
    assert {row for row, _ in cells} == set(range(len({row for row, _ in cells})))


@given(lengths_of_examples)
def test_rows_are_filled_from_their_start_without_a_gap(lengths: list[int]) -> None:
    placements = pack_best_fit(lengths, capacity=CAPACITY)

    used: dict[int, int] = {}
    for (row, start), length in sorted(zip(placements, lengths, strict=True)):
        assert start == used.get(row, 0)
        used[row] = start + length


@given(lengths_of_examples)
def test_no_two_rows_could_have_been_one(lengths: list[int]) -> None:
    used: dict[int, int] = {}
    for (row, _), length in zip(pack_best_fit(lengths, capacity=CAPACITY), lengths, strict=True):
        used[row] = used.get(row, 0) + length

    two_emptiest = sorted(used.values())[:2]
    assert len(two_emptiest) < 2 or sum(two_emptiest) > CAPACITY


def test_rows_are_nearly_full_for_many_short_examples() -> None:
    rng = Random(0)
    lengths = [rng.randint(20, 120) for _ in range(1_000)]

    num_rows = 1 + max(row for row, _ in pack_best_fit(lengths, capacity=512))

    assert sum(lengths) / (num_rows * 512) > 0.98


def test_one_example_in_a_row_stands_at_its_start() -> None:
    assert one_per_row([3, 5, 3], capacity=5) == [Placement(0, 0), Placement(1, 0), Placement(2, 0)]


@pytest.mark.parametrize("place", [pack_best_fit, one_per_row])
@pytest.mark.parametrize("length", [0, -1, 11])
def test_an_example_that_fits_no_row_is_refused(
    place: Callable[[Sequence[int]], object], length: int
) -> None:
    with pytest.raises(ValueError, match=f"example 1 has {length} tokens, a row takes 1 to 10"):
        place([10, length], capacity=10)  # type: ignore[call-arg]


# Full rows


@given(st.lists(st.integers(1, 40), max_size=120))
def test_full_rows_hold_every_example_once_and_are_not_more_than_best_fit_needs(lengths: list[int]) -> None:
    placements = pack_full_rows(lengths, capacity=40)

    cells = [
        (place.row, place.start + offset)
        for place, length in zip(placements, lengths, strict=True)
        for offset in range(length)
    ]
    assert len(set(cells)) == len(cells)
    assert all(start < 40 for _, start in cells)
    rows = {place.row for place in placements}
    assert rows == set(range(len(rows)))
    assert len(rows) <= len({place.row for place in pack_best_fit(lengths, capacity=40)})


def test_rows_are_filled_by_lengths_that_add_up() -> None:
    """Best fit puts 6 + 3 and 5 + 2 + 2 together, and needs a third row for the last 2."""
    lengths = [2, 2, 2, 3, 5, 6]

    placements = pack_full_rows(lengths, capacity=10)

    assert [place.row for place in placements] == [0, 0, 1, 1, 1, 0]
    assert {place.row for place in pack_best_fit(lengths, capacity=10)} == {0, 1, 2}


def test_lengths_that_are_nearly_alike_fill_their_rows() -> None:
    lengths = [100 + number % 30 for number in range(3_000)]

    fill = sum(lengths) / (1_024 * (1 + max(place.row for place in pack_full_rows(lengths, capacity=1_024))))

    assert fill > 0.99
