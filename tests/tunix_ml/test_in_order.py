import threading
import time
from collections.abc import Iterator

import pytest

from tunix_ml.in_order import map_in_order


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def slow_when_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item * item

    assert list(map_in_order(slow_when_first, range(5), num_threads=3, num_waiting=3)) == [0, 1, 4, 9, 16]


def test_no_more_items_are_taken_than_may_wait() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = map_in_order(str, items(), num_threads=2, num_waiting=3)

    assert next(results) == "0"
    assert taken == [0, 1, 2]


def test_an_error_ends_it_and_what_has_not_begun_is_left() -> None:
    begun: list[int] = []
    is_refused = threading.Event()

    def refuse_the_first(item: int) -> int:
        begun.append(item)
        if item == 0:
            is_refused.set()
            raise ValueError("no")
        assert is_refused.wait(5)
        time.sleep(0.05)
        return item

    with pytest.raises(ValueError, match="no"):
        list(map_in_order(refuse_the_first, range(50), num_threads=1, num_waiting=10))

    assert len(begun) <= 3
