from tunix_ml.registry.pages.whisker import HEIGHT, WIDTH, Scale, scale_of


def test_values_lie_between_the_margins_in_their_order() -> None:
    scale = Scale(0.0, 1.0)

    assert scale.place(0.0) == 5
    assert scale.place(1.0) == WIDTH - 5
    assert scale.place(0.5) == WIDTH / 2
    assert scale.place(7.0) == WIDTH - 5


def test_an_interval_is_drawn_around_its_mean() -> None:
    whisker = Scale(0.0, 1.0).whisker(0.75, 0.5, 0.9, label="75 %")

    assert whisker.low < whisker.mean < whisker.high
    assert (whisker.label, whisker.zero, whisker.height) == ("75 %", None, HEIGHT)


def test_a_mean_without_an_interval_is_a_dot() -> None:
    whisker = Scale(0.0, 1.0).whisker(0.75, None, None, label="")

    assert whisker.low == whisker.mean == whisker.high


def test_a_scale_of_shares_has_round_ends_within_0_and_1() -> None:
    assert scale_of([0.98, 0.995, 1.0]) == Scale(0.98, 1.0)
    assert scale_of([0.02, 0.97]) == Scale(0.0, 1.0)


def test_a_scale_of_differences_has_zero_in_its_middle() -> None:
    scale = scale_of([-0.1, 0.3], is_signed=True)

    assert scale.low == -scale.high
    assert scale.whisker(0.1, 0.0, 0.3, label="").zero == WIDTH / 2


def test_a_scale_of_one_value_or_none_still_has_a_width() -> None:
    assert scale_of([1.0]).low < scale_of([1.0]).high == 1.0
    assert scale_of([]) == Scale(0.0, 1.0)
    assert scale_of([], is_signed=True) == Scale(-1.0, 1.0)
    assert scale_of([0.0], is_signed=True).high > 0
    assert scale_of([300.0, 420.0], is_share=False).high >= 420
