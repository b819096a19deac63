from collections.abc import Callable
from typing import Any

from tunix_ml.evaluation.comparison.numbers import UNKNOWN
from tunix_ml.registry.pages.evaluation_view import EvaluationView, evaluation_view
from tunix_ml.registry.pages.evaluations import Evaluation

Make = Callable[..., Any]


def view_of(evaluation: Evaluation, make_board: Make) -> EvaluationView:
    board = make_board(evaluation.row)
    return evaluation_view(evaluation, board, number=1, questions={}, chain=(), set_page=None)


def test_a_score_is_shown_with_rank_and_words(
    make_row: Make, make_report: Make, make_score: Make, make_board: Make
) -> None:
    scores = tuple(make_score(f"i{n}", float(n < 6)) for n in range(8))

    view = view_of(Evaluation(row=make_row(), report=make_report(), scores=scores), make_board)

    assert (view.score, view.rank, view.num_ranked) == ("75.0 %", 1, 1)
    assert "Answered 8 questions of golden-v2.test, 6 right" in view.sentence
    assert view.whisker is not None
    assert (view.num_texts, view.statuses) == (8, (("scored", 7), ("truncated", 1)))
    assert "true completions scored 100.0 %" in view.self_test


def test_metrics_have_their_meaning_and_direction(
    make_row: Make, make_report: Make, make_board: Make
) -> None:
    correct, tokens = view_of(Evaluation(row=make_row(), report=make_report()), make_board).metrics

    assert (correct.value, correct.interval, correct.direction) == (
        "75.0 %",
        "40.9 to 92.9",
        "more is better",
    )
    assert (tokens.value, tokens.direction, tokens.how) == ("41.25 tokens", "", "normal")


def test_a_metric_that_nobody_declared_is_a_bare_number(
    make_row: Make, make_report: Make, make_board: Make
) -> None:
    estimate = {"mean": 0.5, "stderr": 0, "ci95_low": None, "ci95_high": None, "n": 1, "interval": "normal"}
    report = make_report(metrics={"answer_correctness": estimate, "novelty": estimate}, primary_score=0.5)

    _, novelty = view_of(Evaluation(row=make_row(), report=report), make_board).metrics

    assert (novelty.description, novelty.value, novelty.interval) == ("not declared", "0.5", UNKNOWN)


def test_pass_at_k_stands_with_its_k(make_row: Make, make_report: Make, make_board: Make) -> None:
    estimate = {"mean": 0.5, "stderr": 0, "ci95_low": 0.4, "ci95_high": 0.6, "n": 8, "interval": "normal"}

    view = view_of(Evaluation(row=make_row(), report=make_report(pass_at_k={"4": estimate})), make_board)

    assert view.metrics[-1].name == "pass@4"
    assert view.metrics[-1].description == "probability that one of k samples is right, unbiased"


def test_parts_are_drawn_on_one_scale_and_cut(make_row: Make, make_report: Make, make_board: Make) -> None:
    part = {"mean": 0.5, "stderr": 0, "ci95_low": 0.4, "ci95_high": 0.6, "n": 8, "interval": "normal"}
    groups = {"category": {f"{n:03}" + "x" * 200: part for n in range(100)}}

    (table,) = view_of(Evaluation(row=make_row(), report=make_report(groups=groups)), make_board).tables

    assert (len(table.parts), table.num_left_out) == (60, 40)
    assert {len(line.name) for line in table.parts} == {100}
    assert (table.scale_low, table.scale_high) == ("0.0 %", "100.0 %")


def test_parts_of_a_metric_that_is_no_share_have_a_scale_of_their_own(
    make_row: Make, make_report: Make, make_board: Make
) -> None:
    estimate = {"mean": 2.0, "stderr": 0, "ci95_low": 1.5, "ci95_high": 2.5, "n": 8, "interval": "normal"}
    name = "gold_nats_per_token"
    report = make_report(
        primary_metric=name, metrics={name: estimate}, groups={"section": {"a": estimate, "b": estimate}}
    )

    view = view_of(Evaluation(row=make_row(primary_metric=name), report=report), make_board)

    assert view.whisker is None
    assert (view.tables[0].scale_low, view.tables[0].scale_high) == ("1.4 nats/token", "2.6 nats/token")


def test_a_report_that_cannot_be_read_is_said_to_be_so(make_row: Make, make_board: Make) -> None:
    row = make_row(rank=None, status="invalid", reason="eval.json is missing")

    view = view_of(Evaluation(row=row, problems=("eval.json is missing",)), make_board)

    assert "cannot be read" in view.sentence
    assert (view.score, view.metrics, view.problems) == (UNKNOWN, (), ("eval.json is missing",))
    assert (view.status, view.reason) == ("invalid", "eval.json is missing")


def test_an_invalid_score_is_not_told_as_a_result(
    make_row: Make, make_report: Make, make_board: Make
) -> None:
    row = make_row(rank=None, status="invalid", reason="check scorer_self_test_passes failed")

    view = view_of(Evaluation(row=row, report=make_report()), make_board)

    assert view.sentence == (
        "Its score on golden-v2.test is not to be believed: check scorer_self_test_passes failed."
    )


def test_a_judge_that_judged_elsewhere_was_not_tried(
    make_row: Make, make_report: Make, make_board: Make
) -> None:
    view = view_of(Evaluation(row=make_row(), report=make_report(self_test=None)), make_board)

    assert "could not be tried" in view.self_test


def test_items_that_are_neither_right_nor_wrong_are_not_counted(
    make_row: Make, make_report: Make, make_score: Make, make_board: Make
) -> None:
    evaluation = Evaluation(row=make_row(), report=make_report(), scores=(make_score(value=0.5),))

    assert "on average" in view_of(evaluation, make_board).sentence
