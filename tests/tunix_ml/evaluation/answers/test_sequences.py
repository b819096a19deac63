import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.evaluation.answers.sequences import is_same_list, is_same_set

numbers = st.lists(st.integers(-99, 99), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "given",
    [
        *(
            "1, 2, 3",
            "1,2,3",
            "[1, 2, 3]",
            "(1,2,3)",
            "1; 2; 3",
            "1\n2\n3",
            "1, 2 and 3",
            "1, 2, and 3",
            "1 AND 2, 3",
        ),
        *(
            "1.0, 2.00, 3",
            "$(1, 2, 3)$",
            r"\left(1,\, 2,\, 3\right)",
            "1, 2, 3.",
            "1, 2, 3,",
            r"\boxed{1,2,3}",
        ),
    ],
)
def test_a_list_may_be_written_in_many_ways(given: str) -> None:
    assert is_same_list(given, "1, 2, 3")


@pytest.mark.parametrize(
    "given",
    ["3, 2, 1", "1, 2", "1, 2, 3, 3", "{1, 2, 3}", r"\{1,2,3\}", "1 2 3", "123", "", "1, 2, x", "(1,2),3"],
)
def test_another_order_another_element_or_a_set_is_another_list(given: str) -> None:
    assert not is_same_list(given, "1, 2, 3")


@pytest.mark.parametrize(
    "given", ["{1, 2, 2}", "2, 1, 2", r"\{2,2,1\}", "[2, 1, 2]", "1 and 2 and 2", "2\n2\n1", "{2.0, 1, 4/2}"]
)
def test_a_set_has_no_order(given: str) -> None:
    assert is_same_set(given, "1, 2, 2")


@pytest.mark.parametrize("given", ["{1, 2}", "(1, 2, 2)", "{1, 1, 2}", "{1, 2, 2, 2}", "{1, 2, 3}", "", "{}"])
def test_every_element_of_a_set_counts_as_often_as_it_stands_there(given: str) -> None:
    assert not is_same_set(given, "1, 2, 2")


def test_a_pair_is_not_a_set_of_two_unless_the_expected_one_is_written_so() -> None:
    assert not is_same_set("(1,2)", "{1,2}")
    assert not is_same_list("{1,2}", "(1,2)")
    assert is_same_set("(2,1)", "(1,2)")
    assert is_same_list("{1,2}", "{1,2}")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1,450, 2,300", "1450, 2300"),
        ("[1,450; 2,300]", "1,450; 2,300"),
        ("1,450 and 2,300", "1,450\n2,300"),
        ("(1,450)", "1, 450"),
        ("1,450", "1,450"),
    ],
)
def test_a_comma_between_thousands_may_be_meant_either_way(given: str, expected: str) -> None:
    assert is_same_list(given, expected)


def test_the_expected_list_is_split_at_every_comma_unless_it_has_another_separator() -> None:
    assert not is_same_list("1450", "1,450")
    assert is_same_list("1450", "1,450;")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("red, Blue.", "Red, blue"),
        ("5 km and 3 km", "5, 3"),
        ("(1, 2), (3,4)", "(1,2), (3,4)"),
        ("[[1,2], [3,4]]", "[1,2],[3,4]"),
        (r"\frac{1}{2}, 3", "1/2, 3"),
        ("[]", "()"),
    ],
)
def test_elements_are_compared_as_numbers_or_as_texts(given: str, expected: str) -> None:
    assert is_same_list(given, expected, unit="km")


def test_elements_that_are_lists_keep_their_order() -> None:
    assert not is_same_set("{(2,1), (3,4)}", "{(1,2), (3,4)}")
    assert is_same_set("{(3,4), (1,2)}", "{(1,2), (3,4)}")


@given(numbers, st.sampled_from([", ", ",", "; ", "\n", " and "]), st.sampled_from(["{}", "[]", "()", None]))
def test_a_shuffled_set_stays_the_same_and_a_list_only_unshuffled(
    elements: list[int], separator: str, brackets: str | None
) -> None:
    shuffled = random.Random(0).sample(elements, len(elements))
    expected = ", ".join(map(str, elements))
    written = separator.join(map(str, shuffled))
    given = written if brackets is None else f"{brackets[0]}{written}{brackets[1]}"

    assert is_same_set(given, expected) is (brackets != "()")
    assert is_same_list(given, expected) is (brackets != "{}" and shuffled == elements)


@pytest.mark.parametrize(
    "text", ["(" * 4_000, "1," * 2_000, "and " * 1_000, ",\n" * 2_000, "[" * 2_000 + "]" * 2_000]
)
def test_a_hostile_list_is_read_in_linear_time(text: str) -> None:
    start = time.process_time()

    assert not is_same_set(text, "1, 2")

    assert time.process_time() - start < 1
