import pytest

from tunix_ml.evaluation.comparison.numbers import (
    UNKNOWN,
    compact,
    count,
    decimal,
    duration,
    in_unit,
    p_equals,
    percent,
    points,
    short,
)


@pytest.mark.parametrize("spell", [percent, points, count, compact, short, duration])
def test_what_is_not_known_is_no_number(spell: object) -> None:
    assert callable(spell)
    assert spell(None) == UNKNOWN
    assert decimal(None, decimals=1) == UNKNOWN
    assert in_unit("answer_correctness", None) == UNKNOWN


def test_shares_are_percentages_and_differences_have_a_sign() -> None:
    assert percent(0.75) == "75.0"
    assert points(0.215) == "+21.5"
    assert points(-0.004) == "\N{MINUS SIGN}0.4"
    assert points(-0.0001) == points(0.0) == "0.0"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (12, "12"),
        (999, "999"),
        (1_230, "1.23 k"),
        (123_456, "123 k"),
        (1_700_000_000, "1.70 B"),
        (45e12, "45.0 T"),
    ],
)
def test_large_numbers_have_three_figures(number: float, text: str) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (12.4, "12 s"), (59.7, "1 min 00 s"), (353.2, "5 min 53 s"), (7_500, "2 h 05 min")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("p_value", "text"),
    [(1.0, "= 1.000"), (0.0341, "= 0.034"), (0.00049, "= 5e-4"), (3e-45, "= 3e-45"), (0.0, "< 1e-300")],
)
def test_a_p_value_is_never_zero(p_value: float, text: str) -> None:
    assert p_equals(p_value) == text


def test_numbers_have_their_thousands_apart() -> None:
    assert (count(1_002), decimal(14_000.4, decimals=0), short(12_345.6)) == ("1,002", "14,000", "12,346")
    assert (short(0.07266), short(3.0)) == ("0.07266", "3")


def test_a_metric_has_the_unit_that_its_declaration_gives() -> None:
    assert in_unit("answer_correctness", 0.75) == "75.0 %"
    assert in_unit("answer_correctness", 0.215, is_signed=True) == "+21.5 points"
    assert in_unit("trace_num_tokens", 41.25) == "41.25 tokens"
    assert in_unit("trace_num_tokens", 3.0, is_signed=True) == "+3 tokens"
    assert in_unit("trace_num_tokens", -3.0, is_signed=True) == "-3 tokens"
    assert in_unit("never declared", 0.5) == "0.5"
