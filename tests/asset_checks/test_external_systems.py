from asset_checks import eval_report, external_systems


def test_a_foreign_report_goes_through_what_ours_must_have_passed() -> None:
    assert tuple(check.name for check in external_systems.CHECKS) == eval_report.BLOCKING


def test_a_foreign_report_that_fails_keeps_nobody_from_ranking() -> None:
    assert not any(check.blocking for check in external_systems.CHECKS)
