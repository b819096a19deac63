import pytest

from tunix_ml.registry.pages.parallel import HEIGHT, Axis, parallel_coordinates

TOP, BOTTOM = 34, HEIGHT - 16
LABELS = ["trial 2", "trial 0", "trial 1"]


def heights(axis: Axis) -> list[float]:
    """Return where the values of an axis lie, in the order of the trials."""
    picture = parallel_coordinates([axis, Axis("loss", "linear", [1, 2, 3])], labels=LABELS)
    assert picture
    return [float(line.path[1:].split("L")[0].split(",")[1]) for line in picture.lines[::-1]]


def test_a_linear_axis_rises_from_the_lowest_to_the_highest_value() -> None:
    assert heights(Axis("width", "linear", [1, 3, 2])) == [BOTTOM, TOP, (TOP + BOTTOM) / 2]


def test_on_a_logarithmic_axis_equal_ratios_are_equally_far_apart() -> None:
    assert heights(Axis("rate", "log", [0.01, 1.0, 0.1])) == [BOTTOM, TOP, (TOP + BOTTOM) / 2]


def test_choices_stand_in_the_order_of_their_names() -> None:
    assert heights(Axis("optimizer", "choice", ["muon", "adamw", "lion"])) == [
        TOP,
        BOTTOM,
        (TOP + BOTTOM) / 2,
    ]


def test_a_single_value_lies_in_the_middle() -> None:
    assert heights(Axis("width", "linear", [4, 4, 4])) == [(TOP + BOTTOM) / 2] * 3


def test_the_best_trial_is_drawn_last_and_named() -> None:
    axes = [Axis("rate", "log", [0.01, 1.0, 0.1]), Axis("kind", "choice", ["a", "b", "b" * 40])]

    picture = parallel_coordinates(axes, labels=LABELS)

    assert picture
    assert [(line.label, line.style) for line in picture.lines] == [
        ("trial 1", "other"),
        ("trial 0", "other"),
        ("trial 2", "best"),
    ]
    assert picture.description == "3 trials over rate, kind; best: trial 2"
    assert [tick.label for tick in picture.axes[0].ticks] == ["0.01", "1"]
    assert [len(tick.label) for tick in picture.axes[1].ticks] == [1, 1, 14]


@pytest.mark.parametrize("labels", [[], ["trial 0"]])
def test_fewer_than_two_trials_are_nothing_to_hold_side_by_side(labels: list[str]) -> None:
    axes = [Axis("a", "linear", [1.0] * len(labels)), Axis("b", "linear", [1.0] * len(labels))]

    assert parallel_coordinates(axes, labels=labels) is None
