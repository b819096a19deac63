import pytest

from tunix_ml.registry.pages.chart import Chart, Point, Series, line_chart, thinned, ticks


def points(*values: float) -> list[Point]:
    return [Point(step, value) for step, value in enumerate(values, start=1)]


def drawn(*values: float, **options: bool) -> Chart:
    chart = line_chart([Series("loss", points(*values), "a")], title="Loss", y_label="nats", **options)
    assert chart is not None
    return chart


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 6.8, [0, 2, 4, 6, 8]),
        (0.03, 0.11, [0.02, 0.04, 0.06, 0.08, 0.1, 0.12]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (7_000, 8_100, [7_000, 7_250, 7_500, 7_750, 8_000, 8_250]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == expected


def test_the_first_and_the_last_value_lie_where_the_axes_say() -> None:
    chart = drawn(4.0, 2.0, 0.0)

    (line,) = chart.lines
    start, *_, end = line.path.removeprefix("M").split("L")
    first, last = chart.y_ticks[-1], chart.y_ticks[0]
    assert (first.label, last.label) == ("4", "0")
    assert start.endswith(f",{first.position:g}")
    assert end == f"{chart.right:g},{last.position:g}"
    assert chart.x_ticks[0].label == "0"


def test_a_picture_says_in_words_what_it_shows() -> None:
    assert drawn(4.0, 1.0, 2.0).description == "loss: 4 at step 1, 2 at step 3, lowest 1"


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, 1e-12, 1e12])
def test_a_line_of_one_value_is_drawn_in_the_middle(value: float) -> None:
    chart = drawn(value, value)

    assert chart.y_ticks[0].position > chart.y_ticks[-1].position
    assert len({tick.label for tick in chart.y_ticks}) > 1


def test_a_single_point_is_a_dot() -> None:
    assert len(drawn(1.0).lines[0].marks) == 1


def test_an_axis_may_begin_at_zero() -> None:
    assert drawn(100.0, 101.0, from_zero=True).y_ticks[0].label == "0"
    assert drawn(100.0, 101.0).y_ticks[0].label == "100"


def test_a_line_without_points_is_left_out_and_a_chart_without_lines_is_none() -> None:
    empty, full = Series("validation", [], "b"), Series("training", points(1, 2), "a")

    chart = line_chart([empty, full], title="Loss", y_label="nats")

    assert chart is not None
    assert [line.name for line in chart.lines] == ["training"]
    assert line_chart([empty], title="Loss", y_label="nats") is None


def test_thinning_keeps_ends_and_spikes_and_says_how_much_is_gone() -> None:
    values = [1.0] * 5_000
    values[1_234], values[4_000] = 99.0, -7.0

    kept = thinned(points(*values))

    assert len(kept) <= 240
    assert (kept[0], kept[-1]) == (Point(1, 1.0), Point(5_000, 1.0))
    assert {point.y for point in kept} == {1.0, 99.0, -7.0}
    assert [point.x for point in kept] == sorted(point.x for point in kept)
    chart = drawn(*values)
    assert (chart.num_points, chart.num_left_out) == (5_000, 5_000 - len(kept))


def test_short_lines_are_not_thinned() -> None:
    assert len(thinned(points(*range(240)))) == 240
