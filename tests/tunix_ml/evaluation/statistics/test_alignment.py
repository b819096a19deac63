import math

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.evaluation.statistics.alignment import NotPaired, align, cluster_labels


def test_scores_come_in_the_order_of_the_items_ids() -> None:
    found = align({"a": {"q2": 0.0, "q1": 1.0}, "b": {"q1": 0.5, "q2": 0.25}})

    assert found == (["q1", "q2"], {"a": [1.0, 0.0], "b": [0.5, 0.25]})


def test_runs_on_other_items_are_refused_by_name() -> None:
    with pytest.raises(
        NotPaired, match="b was not scored on the items of a: 1 are missing and 2 are not theirs"
    ):
        align({"a": {"q1": 1.0, "q2": 1.0}, "b": {"q1": 1.0, "q3": 1.0, "q4": 1.0}})
    with pytest.raises(NotPaired, match="0 are missing and 1 are not theirs, such as 'q2'"):
        align({"a": {"q1": 1.0}, "b": {"q1": 1.0, "q2": 0.0}})


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(ContractError, match=f"b has score {score} for item 'q1'"):
        align({"a": {"q1": 1.0}, "b": {"q1": score}})


def test_nothing_cannot_be_aligned() -> None:
    with pytest.raises(ContractError, match="at least one run"):
        align({})
    with pytest.raises(NotPaired, match="a has no scores"):
        align({"a": {}, "b": {}})


def test_clusters_are_told_where_items_share_one() -> None:
    assert cluster_labels(["q1", "q2", "q3"], {"q3": "y", "q2": "x", "q1": "x"}) == ["x", "x", "y"]
    assert cluster_labels(["q1", "q2"], {"q1": "x", "q2": "y", "q3": "y"}) is None
    assert cluster_labels(["q1", "q2"], None) is None


def test_an_item_without_a_cluster_is_refused() -> None:
    with pytest.raises(ContractError, match="1 items have no cluster, among them 'q2'"):
        cluster_labels(["q1", "q2"], {"q1": "x"})
