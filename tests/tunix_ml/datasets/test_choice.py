from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.recipe import VersionsSource
from tunix_ml.datasets.choice import Candidate, choose, quotas


def source(*weights: float | None, **fields: Any) -> VersionsSource:
    parts = [{"version": f"a-v{n}", "weight": weight} for n, weight in enumerate(weights or (None,))]
    return VersionsSource.model_validate({"kind": "versions", "parts": parts, **fields})


def candidates(*families: str, part: int = 0, start: int = 0) -> list[Candidate]:
    return [Candidate(start + n, f"id{start + n}", part, family) for n, family in enumerate(families)]


def kept(rows: list[Candidate], chosen: VersionsSource) -> set[int]:
    return {row.position for row in rows} - choose(rows, chosen).keys()


def test_without_a_rule_every_candidate_is_kept() -> None:
    assert choose(candidates("a", "b"), source()) == {}


def test_latest_keeps_the_last_ones() -> None:
    assert kept(candidates(*"abcde"), source(strategy="latest", limit=2)) == {3, 4}


def test_random_depends_on_seed_and_content_and_on_no_order() -> None:
    rows = candidates(*"a" * 50)
    chosen = kept(rows, source(strategy="random", seed=1, limit=10))

    assert len(chosen) == 10
    assert kept(rows[::-1], source(strategy="random", seed=1, limit=10)) == chosen
    assert kept(rows, source(strategy="random", seed=2, limit=10)) != chosen
    assert kept(rows, source(strategy="random", seed=1, limit=11)) > chosen


def test_a_cap_holds_for_each_family_and_its_own_cap_goes_first() -> None:
    rows = candidates(*"aaabbbc")

    assert kept(rows, source(strategy="latest", max_per_family=2)) == {1, 2, 4, 5, 6}
    assert kept(rows, source(strategy="latest", family_caps={"a": 0}, max_per_family=1)) == {5, 6}
    assert kept(rows, source(strategy="latest", family_caps={"b": 1})) == {0, 1, 2, 5, 6}


def test_weights_are_shares_of_what_is_chosen() -> None:
    rows = candidates(*"a" * 40) + candidates(*"a" * 40, part=1, start=40)

    left_out = choose(rows, source(3, 1, strategy="latest"))
    limited = kept(rows, source(3, 1, strategy="latest", limit=8))

    assert len(rows) - len(left_out) == 53
    assert limited == {34, 35, 36, 37, 38, 39, 78, 79}
    assert {reason.detail for reason in left_out.values()} == {"part 2: no more than 13 rows are kept"}


def test_each_row_left_out_has_its_reason() -> None:
    rows = candidates(*"aab") + candidates("c", part=1, start=3)

    by_cap = choose(rows, source(None, None, strategy="latest", family_caps={"a": 1}, limit=2))

    assert {position: reason.reason for position, reason in by_cap.items()} == {0: "family_cap", 1: "limit"}
    assert by_cap[0].detail == "family a: no more than 1 rows are kept"


@pytest.mark.parametrize(
    ("available", "limit", "expected"),
    [
        ({0: 100, 1: 100}, None, {0: 100, 1: 33}),
        ({0: 30, 1: 100}, None, {0: 30, 1: 10}),
        ({0: 100, 1: 100}, 10, {0: 8, 1: 2}),
        ({0: 100, 1: 0}, None, {0: 0, 1: 0}),
        ({0: 100, 1: 1}, 100, {0: 3, 1: 1}),
    ],
)
def test_quotas_of_three_to_one(
    available: dict[int, int], limit: int | None, expected: dict[int, int]
) -> None:
    assert quotas(available, {0: 3.0, 1: 1.0}, limit=limit) == expected


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(0.1, 10)), min_size=1, max_size=5),
    st.integers(1, 600) | st.none(),
)
def test_quotas_never_exceed_what_there_is_and_keep_the_shares_to_a_row(
    parts: list[tuple[int, float]], limit: int | None
) -> None:
    available = {number: count for number, (count, _) in enumerate(parts)}
    weights = {number: weight for number, (_, weight) in enumerate(parts)}

    given_rows = quotas(available, weights, limit=limit)

    total = sum(given_rows.values())
    assert limit is None or total <= limit
    for number, count in given_rows.items():
        assert count <= available[number]
        assert abs(count - total * weights[number] / sum(weights.values())) < 2


def test_a_part_with_a_weight_and_no_row_is_an_error() -> None:
    with pytest.raises(ContractError, match="part 2 has a weight, but none of its rows is left"):
        choose(candidates("a"), source(1, 1, strategy="latest"))
