from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.gate import GateReport
from tunix_ml.registry.contest import contest
from tunix_ml.registry.leaderboard import report_of
from tunix_ml.snapshot import CorruptArtifact
from tunix_ml.store import Store

Row = dict[str, Any]


@pytest.fixture
def row_of(contender: Callable[..., str], rows: Callable[[], list[Row]]) -> Callable[..., Row]:
    """A function that fabricates a run and returns its row."""

    def make(recipe: str, share_right: float) -> Row:
        run_id = contender(recipe, share_right)
        return next(row for row in rows() if row["run_id"] == run_id)

    return make


def judged(store: Store, candidate: Row, champion: Row) -> GateReport:
    return contest(report_of(store, candidate), report_of(store, champion), is_same_dataset=False)


def test_a_run_that_is_right_less_often_fails(store: Store, row_of: Callable[..., Row]) -> None:
    champion, candidate = row_of("good", 1.0), row_of("poor", 0.0)

    report = judged(store, candidate, champion)

    assert (report.verdict, report.difference) == ("FAIL", -1.0)
    assert (report.baseline, report.candidate) == (champion["run_id"], candidate["run_id"])


def test_a_run_that_is_right_more_often_passes(store: Store, row_of: Callable[..., Row]) -> None:
    report = judged(store, row_of("good", 1.0), row_of("poor", 0.0))

    assert (report.verdict, report.difference, report.delta) == ("PASS", 1.0, 0.05)


def test_too_few_items_cannot_tell_a_small_loss(store: Store, row_of: Callable[..., Row]) -> None:
    report = judged(store, row_of("this", 0.75), row_of("that", 0.75))

    assert (report.verdict, report.difference) == ("INCONCLUSIVE", 0.0)
    assert report.n_needed is not None
    assert report.n_needed > report.n


def test_runs_that_were_scored_otherwise_are_not_comparable(
    store: Store, row_of: Callable[..., Row], tampered: Callable[..., Any], edit_json: Callable[..., Any]
) -> None:
    candidate, champion = row_of("good", 1.0), row_of("poor", 0.0)
    slot = store.run(champion["run_id"]).slot("eval/golden-v2.test")
    other = tampered(slot, edit_json("eval.json", evaluation_set_digest="0" * 64))

    report = judged(store, candidate, {**champion, "eval_digest": other.snapshot.digest})

    assert report.verdict == "NOT_COMPARABLE"
    assert "evaluation set is" in report.reason


def test_a_damaged_report_is_no_contest(store: Store, row_of: Callable[..., Row]) -> None:
    candidate, champion = row_of("good", 1.0), row_of("poor", 0.0)
    snapshot = store.run(champion["run_id"]).slot("eval/golden-v2.test").resolve()
    (snapshot.path / "item_scores.parquet").write_bytes(b"damaged")

    with pytest.raises(CorruptArtifact, match=r"item_scores\.parquet has sha256"):
        judged(store, candidate, champion)


def test_runs_of_other_datasets_are_compared_only_where_that_may_differ(
    store: Store, row_of: Callable[..., Row], tampered: Callable[..., Any], edit_json: Callable[..., Any]
) -> None:
    ours = report_of(store, row_of("good", 1.0))
    slot = store.run(row_of("poor", 0.0)["run_id"]).slot("eval/golden-v2.test")
    theirs = tampered(slot, edit_json("eval.json", inputs={"dataset": "0" * 64})).snapshot

    assert contest(ours, theirs, is_same_dataset=False).verdict == "PASS"
    report = contest(ours, theirs, is_same_dataset=True)
    assert report.verdict == "NOT_COMPARABLE"
    assert "dataset is" in report.reason
