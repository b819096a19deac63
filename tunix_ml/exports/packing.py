"""Packing: which examples share a row of a fixed number of tokens."""

import bisect
from collections.abc import Sequence
from typing import NamedTuple


class Placement(NamedTuple):
    """Where an example stands: its row and the index of its first token there."""

    row: int
    start: int


def pack_best_fit(lengths: Sequence[int], *, capacity: int) -> list[Placement]:
    """Place each example into the fullest row that still has room, the longest first.

    Equal lengths keep their order, so the placement is a function of the lengths alone.

    Raises:
        ValueError: an example is empty or longer than a row.

    Source: best-fit decreasing, D. S. Johnson, Near-optimal bin packing algorithms, 1973.
    """
    _refuse_unfit(lengths, capacity)
    placements: list[Placement] = [Placement(-1, -1)] * len(lengths)
    rooms: list[tuple[int, int]] = []  # (room left, row), sorted
    num_rows = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        position = bisect.bisect_left(rooms, (length, -1))
        if position < len(rooms):
            room, row = rooms.pop(position)
        else:
            room, row, num_rows = capacity, num_rows, num_rows + 1
        placements[index] = Placement(row, capacity - room)
        bisect.insort(rooms, (room - length, row))
    return placements


def one_per_row(lengths: Sequence[int], *, capacity: int) -> list[Placement]:
    """Place each example at the start of a row of its own.

    Raises:
        ValueError: an example is empty or longer than a row.
    """
    _refuse_unfit(lengths, capacity)
    return [Placement(row, 0) for row in range(len(lengths))]


def _refuse_unfit(lengths: Sequence[int], capacity: int) -> None:
    for index, length in enumerate(lengths):
        if not 0 < length <= capacity:
            raise ValueError(f"example {index} has {length} tokens, a row takes 1 to {capacity}")
