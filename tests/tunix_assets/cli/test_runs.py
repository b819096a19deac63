from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store


def test_runs_are_listed_with_their_state_and_filtered(
    evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated().key

    (found,) = command("runs", "list", "--json").record["runs"]
    text = command("runs", "list").out
    none = command("runs", "list", "--dataset", "other-v1", "--json").record
    others = command("runs", "list", "--state", "queued", "--json").record

    assert (found["run_id"], found["dataset_version"], found["state"]) == (run_id, "golden-v2", "completed")
    assert text.splitlines()[1].startswith(f"{run_id}  completed")
    assert none["runs"] == others["runs"] == []


def test_a_run_is_shown_with_all_that_is_written_down(
    evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated().key

    record = command("runs", "show", run_id, "--json").record
    text = command("runs", "show", run_id).out

    assert record["config"]["train"]["recipe"] == "tiny"
    assert record["checkpoint"]["run_id"] == run_id
    assert record["evaluations"][0]["evaluation_set"] == "golden-v2.test"
    assert "config.train.recipe: tiny" in text.splitlines()
    assert any(line.startswith("evaluations.0.primary_score: ") for line in text.splitlines())


def test_metrics_are_shown_from_the_last_row_back(
    store: Store, finished_run: Callable[..., RunDirectory], command: Callable[..., Any]
) -> None:
    run = finished_run()

    everything = command("runs", "metrics", run.run_id, "--json").record["metrics"]
    text = command("runs", "metrics", run.run_id, "--last", "1").out.splitlines()
    (run.path / "metrics.jsonl").unlink()
    missing = command("runs", "metrics", run.run_id)

    assert [row["step"] for row in everything] == [1, 10, 20]
    assert text[0].split()[:2] == ["step", "loss"]
    assert text[1].split()[0] == "20"
    assert len(text) == 2
    assert (missing.code, "has no metrics yet" in missing.err) == (1, True)


def test_two_runs_are_compared_and_nothing_is_published(
    store: Store, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    better = evaluated(recipe="better", share_right=1.0).key
    worse = evaluated(recipe="worse", share_right=0.0).key

    text = command("runs", "compare", better, worse)
    record = command("runs", "compare", better, worse, "--set", "golden-v2.test", "--json").record

    assert text.code == 0
    assert "**A is better by 100.0 points" in text.out
    assert record["result"]["difference"] == 1
    assert store.slot("run_comparison", "all").pointer() is None


@pytest.mark.parametrize("verb", [["show"], ["metrics"], ["compare", "none"]])
def test_a_run_that_there_is_not_is_said(verb: list[str], command: Callable[..., Any]) -> None:
    answer = command("runs", *verb, "none")

    assert answer.code == 1
    assert answer.err == "tunix-rt: there is no run 'none'; `tunix-rt runs list` names those there are\n"
