from fractions import Fraction

import pytest

from tunix_ml.evaluation.answers.quantities import parse_quantity, without_unit


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5", None, 5),
        ("5 km", "km", 5),
        ("5km", "km", 5),
        ("5 km.", "km", 5),
        ("5", "km", 5),
        (r"5 \text{ km}", "km", 5),
        (r"\boxed{5\,\mathrm{km}}", "km", 5),
        (r"\frac{1}{2} \text{ km}", "km", Fraction(1, 2)),
        ("$1,450.50 dollars", "dollars", Fraction(290_100, 200)),
        ("5 Miles", "miles", 5),
        ("10%", "%", 10),
        ("90°", "degrees", 90),
        (r"90^\circ", "°", 90),
        ("90 degrees", "°", 90),
        ("$18$", None, 18),
        (r"\$18", None, 18),
        ("**18**", None, 18),
    ],
)
def test_a_number_may_be_followed_by_the_unit_of_the_item(
    text: str, unit: str | None, value: Fraction
) -> None:
    assert parse_quantity(text, unit=unit) == (value, "")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("5 miles", "km"),
        ("5 km", None),
        ("5 m", "km"),
        ("5 MW", "mW"),
        ("km", "km"),
        ("5 km/h", "km"),
        ("", "km"),
    ],
)
def test_with_another_unit_it_is_no_number(text: str, unit: str | None) -> None:
    assert parse_quantity(text, unit=unit) is None


def test_a_percentage_is_not_a_number_of_another_unit() -> None:
    assert parse_quantity("10%") == (10, "%")
    assert parse_quantity("10%", unit="km") == (10, "%")


def test_a_text_without_the_unit_stays_as_it_is() -> None:
    assert without_unit("5 miles.", "km") == "5 miles."
    assert without_unit("5 miles.", "miles") == "5"
