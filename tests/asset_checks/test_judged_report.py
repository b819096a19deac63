from asset_checks import eval_report, judged_report


def test_a_report_by_a_judge_goes_through_the_checks_of_one_by_answers() -> None:
    assert [(check.function, check.blocking) for check in judged_report.CHECKS] == [
        (check.function, check.blocking) for check in eval_report.CHECKS
    ]
