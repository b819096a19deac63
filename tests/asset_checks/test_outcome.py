import pytest

from asset_checks.outcome import Check, Outcome, Subject, all_hold, merged


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


# Several contents of one asset

GOOD = Outcome(True, "all 5 rows are sound", {"num_rows": 5})
BAD = Outcome(False, "row 3 is broken", {"num_rows": 7})
DOUBTFUL = Outcome(False, "row 4 is odd", {"num_rows": 9}, "WARN")


@pytest.mark.parametrize("outcome", [GOOD, BAD, DOUBTFUL])
def test_what_was_found_of_a_single_content_stays_as_it_is(outcome: Outcome) -> None:
    assert merged({"eval-v1": outcome}) == outcome


def test_where_all_contents_are_sound_all_are_told() -> None:
    outcome = merged({"eval-v1": GOOD, "eval-v2": GOOD})

    assert outcome.passed
    assert outcome.description == "eval-v1: all 5 rows are sound; eval-v2: all 5 rows are sound"
    assert outcome.facts == {"eval-v1/num_rows": 5, "eval-v2/num_rows": 5}


@pytest.mark.parametrize(
    ("found", "severity", "description"),
    [
        ((GOOD, BAD), "ERROR", "b: row 3 is broken"),
        ((GOOD, DOUBTFUL), "WARN", "b: row 4 is odd"),
        ((DOUBTFUL, BAD), "ERROR", "a: row 4 is odd; b: row 3 is broken"),
        ((DOUBTFUL, DOUBTFUL), "WARN", "a: row 4 is odd; b: row 4 is odd"),
    ],
)
def test_where_one_fails_the_failing_ones_are_told_with_the_worst_severity(
    found: tuple[Outcome, Outcome], severity: str, description: str
) -> None:
    outcome = merged(dict(zip("ab", found, strict=True)))

    assert (outcome.passed, outcome.severity, outcome.description) == (False, severity, description)
    assert set(outcome.facts) == {"a/num_rows", "b/num_rows"}


def test_where_there_is_no_content_nothing_is_wrong() -> None:
    assert merged({}) == Outcome(True, "there is nothing to look at")
