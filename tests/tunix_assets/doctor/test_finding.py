from tunix_assets.doctor.finding import Finding, mendable, well_or_wrong


def test_no_problem_is_well_and_several_are_told_together() -> None:
    assert well_or_wrong("disk", [], well="room") == Finding("disk", "well", "room")
    assert well_or_wrong("disk", ["a", "b"], well="room") == Finding("disk", "wrong", "a; b")


def test_what_can_be_mended_says_how_or_that_it_was() -> None:
    assert mendable("runs", [], well="fine", done="failed") == Finding("runs", "well", "fine")
    assert mendable("runs", ["a", "b"], well="fine", done=None).sentence == "a; b: run it with --fix"
    assert mendable("runs", ["a", "b"], well="fine", done="failed") == Finding(
        "runs", "mended", "a; b: failed"
    )
