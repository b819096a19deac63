from typing import Any

import pytest

from tunix_ml.contracts.evaluation import ItemScore
from tunix_ml.evaluation.aggregate import by_item, estimates, group_estimates, item_values, pass_at


def sample(item_id: str, value: float | None, *, index: int = 0, **changes: Any) -> ItemScore:
    fields: dict[str, Any] = {
        "item_id": item_id,
        "sample_index": index,
        "cluster": "",
        "section": "all",
        "category": "all",
        "difficulty": "all",
        "status": "scored",
        "expected": "5",
        "extracted": "5" if value == 1 else "6",
        "rule": None,
        "detail": None,
        "prompt_digest": None,
        "text_digest": None,
        "text": "so 5",
        "scores": {} if value is None else {"answer_correctness": value},
    }
    return ItemScore(**fields | changes)


def test_an_item_with_samples_has_their_mean() -> None:
    scores = [sample("a", 1.0), sample("a", 0.0, index=1), sample("b", 1.0), sample("b", 1.0, index=1)]

    assert item_values(scores, "answer_correctness") == {"a": 0.5, "b": 1.0}


@pytest.mark.parametrize("status", ["missing", "timeout", "error"])
def test_an_item_without_a_score_for_each_sample_is_in_no_mean(status: str) -> None:
    items = by_item([sample("a", 1.0), sample("a", None, index=1, status=status), sample("b", 0.0)])

    assert [item.is_complete for item in items] == [False, True]
    assert estimates(items)["answer_correctness"].mean == 0
    assert estimates(items)["answer_correctness"].n == 1


def test_a_metric_counts_only_the_samples_and_items_it_applies_to() -> None:
    claims = [{"claims_correct": 1.0}, {"claims_correct": None}, {"claims_correct": 0.5}]
    items = by_item(
        [
            sample("a", None, scores=claims[0]),
            sample("a", None, index=1, scores=claims[1]),
            sample("b", None, scores=claims[1]),
            sample("c", None, scores=claims[2]),
        ]
    )

    found = estimates(items)["claims_correct"]

    assert (found.mean, found.n) == (0.75, 2)
    assert set(estimates(items)) == {"claims_correct", "maj_at_k"}


def test_items_of_one_cluster_widen_the_interval() -> None:
    values = [1.0, 1.0, 0.0, 0.0]
    alone = by_item([sample(str(i), value) for i, value in enumerate(values)])
    together = by_item([sample(str(i), value, cluster=f"c{i // 2}") for i, value in enumerate(values)])

    free, tied = (estimates(items)["answer_correctness"] for items in (alone, together))

    assert (free.mean, tied.mean) == (0.5, 0.5)
    assert (free.interval, tied.interval) == ("wilson", "clustered")
    assert tied.stderr > free.stderr


def test_parts_of_a_set_have_their_own_means_where_there_are_several() -> None:
    items = by_item(
        [sample("a", 1.0, section="core"), sample("b", 0.0, section="edge"), sample("c", 1.0, section="edge")]
    )

    found = group_estimates(items, "answer_correctness")

    assert list(found) == ["section"]
    assert {name: part.mean for name, part in found["section"].items()} == {"core": 1.0, "edge": 0.5}


def test_several_samples_have_the_probability_that_one_of_k_is_right() -> None:
    right = [1.0, 0.0, 0.0, 0.0]
    items = by_item([sample("a", value, index=index) for index, value in enumerate(right)])

    assert {k: found.mean for k, found in pass_at(items, "answer_correctness").items()} == {
        1: 0.25,
        2: 0.5,
        4: 1.0,
    }
    assert pass_at(by_item([sample("a", 1.0)]), "answer_correctness") == {}


def test_several_samples_vote_and_two_spellings_of_a_number_are_one_answer() -> None:
    answers = [("6", 0.0), ("5", 1.0), ("5.0", 1.0)]
    items = by_item(
        [sample("a", value, index=index, extracted=text) for index, (text, value) in enumerate(answers)]
    )

    assert estimates(items)["maj_at_k"].mean == 1


def test_right_answers_vote_together_however_they_are_written() -> None:
    answers = [("Paris", 1.0), ("paris.", 1.0), ("PARIS", 1.0), ("London", 0.0), ("London", 0.0)]
    items = by_item(
        [sample("a", value, index=index, extracted=text) for index, (text, value) in enumerate(answers)]
    )

    assert estimates(items)["maj_at_k"].mean == 1


def test_nothing_scored_has_no_mean() -> None:
    assert estimates(by_item([sample("a", None, status="missing")])) == {}
