from tunix_ml.evaluation.answers.verdict import Verdict, verdict


def test_a_difference_keeps_its_reason_and_an_equality_needs_none() -> None:
    assert verdict(is_equal=True, rule="number", detail="no unit") == Verdict("equal", "number", None)
    assert verdict(is_equal=False, rule="number", detail="no unit") == Verdict(
        "different", "number", "no unit"
    )
