import pytest

from asset_checks.outcome import Check, Outcome, Subject, all_hold


def sky_is_blue(subject: Subject) -> Outcome:
    """The sky is blue,
    from here at least.
    """
    return Outcome(True, "it is")


def test_a_check_is_named_and_described_by_its_function() -> None:
    check = Check("sky", sky_is_blue)

    assert (check.name, check.description) == ("sky_is_blue", "The sky is blue, from here at least.")
    assert check.blocking


def test_without_a_problem_the_outcome_passes_with_its_facts() -> None:
    outcome = all_hold([], subject="rows", facts={"num_rows": 5})

    assert outcome == Outcome(True, "rows: no problem found", {"num_problems": 0, "num_rows": 5})


@pytest.mark.parametrize(
    ("problems", "description"),
    [
        (["a"], "rows: a"),
        (["a", "b", "c"], "rows: a; b; c"),
        (["a", "b", "c", "d", "e"], "rows: a; b; c; and 2 more"),
    ],
)
def test_the_first_problems_are_named_and_all_counted(problems: list[str], description: str) -> None:
    outcome = all_hold(problems, subject="rows")

    assert outcome == Outcome(False, description, {"num_problems": len(problems)}, "ERROR")
