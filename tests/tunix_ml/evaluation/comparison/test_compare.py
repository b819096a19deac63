from collections.abc import Mapping
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.comparison import PairedResult
from tunix_ml.contracts.evaluation import EvalReport, ItemScore
from tunix_ml.evaluation.comparison.compare import Side, compare_runs, compare_settings
from tunix_ml.evaluation.statistics.alignment import NotPaired
from tunix_ml.evaluation.statistics.significance import mcnemar_exact

METRIC = "answer_correctness"


def report(run_id: str, *, n_items: int, **changes: Any) -> EvalReport:
    fields = {
        "run_id": run_id,
        "dataset_version": "golden-v2",
        "recipe": "tiny",
        "evaluation_set": "golden-v2.test",
        "evaluation_set_digest": "e" * 64,
        "scorer": "answers",
        "primary_metric": METRIC,
        "inputs": {},
        "scorers": {},
        "answer_rule": "reasoning_tags",
        "max_new_tokens": 160,
        "n_items": n_items,
        "n_scored": n_items,
        "coverage": 1.0,
        "status_counts": {},
        "metrics": {},
        "pass_at_k": {},
        "groups": {},
        "primary_score": None,
        "self_test": None,
    }
    return EvalReport.model_validate({**fields, **changes})


def score(item_id: str, value: float | None, *, metric: str = METRIC, **changes: Any) -> ItemScore:
    fields = {
        "item_id": item_id,
        "sample_index": 0,
        "cluster": item_id,
        "section": "all",
        "category": "all",
        "difficulty": "all",
        "status": "scored" if value is not None else "missing",
        "expected": "5",
        "extracted": "5" if value else "6",
        "rule": None,
        "detail": None,
        "prompt_digest": None,
        "text_digest": None,
        "text": "text",
        "scores": {} if value is None else {metric: value},
    }
    return ItemScore(**{**fields, **changes})


def side(run_id: str, values: Mapping[str, float | None], **changes: Any) -> Side:
    metric = changes.get("primary_metric", METRIC)
    return Side(
        report=report(run_id, n_items=len(values), **changes),
        eval_digest="d" * 64,
        scores=[score(item, value, metric=metric) for item, value in values.items()],
        settings={"train": {"recipe": run_id, "seed": 0}},
    )


A = {"i1": 1.0, "i2": 1.0, "i3": 1.0, "i4": 0.0, "i5": 1.0}
B = {"i1": 1.0, "i2": 0.0, "i3": 0.0, "i4": 1.0, "i5": 0.0}


def test_a_comparison_by_hand() -> None:
    found = compare_runs(side("a", A), side("b", B))

    assert (found.run_a.mean, found.run_b.mean) == (0.8, 0.4)
    assert (found.wins_a, found.wins_b, found.ties) == (3, 1, 1)
    assert found.result.difference == pytest.approx(0.4)
    assert found.result.test == "mcnemar_exact"
    assert found.result.p_value == mcnemar_exact(3, 1) == 0.625
    assert (found.n_items, found.result.n) == (5, 5)


def test_exchanging_the_runs_mirrors_the_comparison() -> None:
    there, back = compare_runs(side("a", A), side("b", B)), compare_runs(side("b", B), side("a", A))

    assert there.result.difference == pytest.approx(-back.result.difference)
    assert there.result.ci95_low == pytest.approx(-(back.result.ci95_high or 0))
    assert (there.wins_a, there.wins_b) == (back.wins_b, back.wins_a)
    assert there.result.p_value == back.result.p_value


def test_a_run_against_itself_differs_in_nothing() -> None:
    found = compare_runs(side("a", A), side("a", A))

    assert (found.result.difference, found.result.p_value) == (0.0, 1.0)
    assert (found.ties, found.items, found.settings) == (5, (), ())


def test_the_items_that_differ_most_come_first() -> None:
    found = compare_runs(
        side("a", {"i1": 1.0, "i2": 0.5, "i3": 1.0}), side("b", {"i1": 0.75, "i2": 0.5, "i3": 0.0})
    )

    assert [(item.item_id, item.score_a, item.score_b) for item in found.items] == [
        ("i3", 1.0, 0.0),
        ("i1", 1.0, 0.75),
    ]
    assert found.items[0].extracted_b == "6"


def test_where_less_is_better_the_lower_score_wins() -> None:
    lower = "gold_nats_per_token"

    found = compare_runs(
        side("a", {"i1": 0.5, "i2": 1.0}, primary_metric=lower),
        side("b", {"i1": 0.75, "i2": 2.0}, primary_metric=lower),
    )

    assert (found.wins_a, found.wins_b) == (2, 0)
    assert found.result.difference < 0


def test_an_item_without_a_score_in_one_run_is_left_out_of_both() -> None:
    found = compare_runs(side("a", A), side("b", {**B, "i5": None}))

    assert (found.n_items, found.result.n) == (5, 4)
    assert (found.run_a.n_scored, found.run_b.n_scored) == (5, 4)
    assert found.run_a.mean == 0.75


def test_parts_are_compared_where_there_are_several() -> None:
    def of_two_kinds(run_id: str, values: Mapping[str, float]) -> Side:
        scores = [
            score(item, value, category="sum" if item < "i4" else "story") for item, value in values.items()
        ]
        return Side(report=report(run_id, n_items=5), eval_digest="d" * 64, scores=scores, settings={})

    found = compare_runs(of_two_kinds("a", A), of_two_kinds("b", B))

    story, sums = found.parts
    assert (story.group, story.name, story.n, story.mean_a, story.mean_b) == (
        "category",
        "story",
        2,
        0.5,
        0.5,
    )
    assert (sums.n, sums.mean_a, sums.mean_b) == (3, 1.0, pytest.approx(1 / 3))
    assert sums.difference == pytest.approx(2 / 3)


def test_a_part_of_one_item_has_no_interval() -> None:
    scores = [score(item, value, section=item) for item, value in A.items()]
    one = Side(report=report("a", n_items=5), eval_digest="d" * 64, scores=scores, settings={})

    found = compare_runs(one, one)

    assert {(part.n, part.ci95_low, part.ci95_high) for part in found.parts} == {(1, None, None)}


def test_items_of_one_cluster_count_as_one_draw() -> None:
    def in_clusters(run_id: str, values: Mapping[str, float]) -> Side:
        scores = [
            score(item, value, cluster="one" if item < "i4" else "two") for item, value in values.items()
        ]
        return Side(report=report(run_id, n_items=5), eval_digest="d" * 64, scores=scores, settings={})

    found = compare_runs(in_clusters("a", A), in_clusters("b", B))

    assert found.result.test == "sign_flip_exact"


def test_a_result_that_is_known_is_not_computed_again() -> None:
    known = PairedResult(n=5, difference=0.4, ci95_low=0.1, ci95_high=0.7, test="mcnemar_exact", p_value=0.01)

    assert compare_runs(side("a", A), side("b", B), known=known).result is known


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation_set": "other-v1.test"},
        {"evaluation_set_digest": "0" * 64},
        {"scorer": "judge:strict"},
    ],
)
def test_runs_of_two_boards_are_not_compared(changes: dict[str, str]) -> None:
    with pytest.raises(NotPaired, match=f"has {next(iter(changes))} "):
        compare_runs(side("a", A), side("b", B, **changes))


def test_runs_without_a_scored_item_in_common_are_not_compared() -> None:
    with pytest.raises(NotPaired, match="a and b share no item"):
        compare_runs(side("a", {"i1": 1.0}), side("b", {"i1": None}))


@pytest.mark.parametrize("metric", ["trace_num_steps", "never_declared"])
def test_a_metric_without_a_better_end_does_not_compare(metric: str) -> None:
    with pytest.raises(ContractError, match=f"metric '{metric}' has no direction"):
        compare_runs(side("a", A, primary_metric=metric), side("b", B, primary_metric=metric))


def test_settings_are_compared_one_by_one_under_dotted_names() -> None:
    differing, num_same = compare_settings(
        {"seed": 0, "train": {"lr": 0.1, "steps": 5, "stop": ["x"]}, "template": "tags"},
        {"seed": 0, "train": {"lr": 0.2, "steps": 5, "stop": ["x"]}, "judge": None},
    )

    assert [(one.name, one.a, one.b) for one in differing] == [
        ("judge", None, "null"),
        ("template", "tags", None),
        ("train.lr", "0.1", "0.2"),
    ]
    assert num_same == 3
