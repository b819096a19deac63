from collections.abc import Callable
from typing import Any

from asset_checks.catalog import blocking_checks
from tunix_ml.registry.leaderboard import publish_leaderboard, read_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.store import Store


def test_the_rows_are_those_that_the_asset_publishes(
    store: Store, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    evaluated(recipe="better", share_right=1.0)
    evaluated(recipe="worse", share_right=0.0)
    snapshot = publish_leaderboard(store, required_checks=blocking_checks("eval_report"))

    now = command("leaderboard", "--json").record
    published = command("leaderboard", "--published", "--json").record

    assert now["rows"] == published["rows"] == read_leaderboard(snapshot)
    assert len(now["rows"]) == 2


def test_the_table_has_interval_and_status(
    evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated(share_right=0.5).key

    head, row = command("leaderboard").out.splitlines()

    assert head.split()[:3] == ["RANK", "TIES", "ASKED"]
    assert " to 0." in row
    assert row.endswith(f"valid   {run_id}")


def test_every_filter_filters(evaluated: Callable[..., Slot], command: Callable[..., Any]) -> None:
    evaluated()
    shown = {"--set": "golden-v2.test", "--dataset": "golden-v2", "--scorer": "answers", "--status": "valid"}
    hidden = {"--set": "eval-v1", "--dataset": "golden-v1", "--scorer": "judge:x", "--status": "stale"}

    for name in shown:
        assert len(command("leaderboard", "--json", name, shown[name]).record["rows"]) == 1
        assert command("leaderboard", "--json", name, hidden[name]).record["rows"] == []


def test_a_run_that_cannot_be_read_is_named(
    store: Store, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    slot = evaluated()
    (store.run(slot.key).path / "checkpoint.json").write_text("{}")

    answer = command("leaderboard")

    assert f"{slot.key}/{slot.table} cannot be read: " in answer.out


def test_an_empty_leaderboard_says_why(evaluated: Callable[..., Slot], command: Callable[..., Any]) -> None:
    before = command("leaderboard").out
    evaluated()
    misspelt = command("leaderboard", "--set", "golden").out

    assert before == "No run has been evaluated yet.\n"
    assert misspelt == (
        "None of the 1 rows is like that. There are sets: golden-v2.test; datasets: golden-v2;"
        " scorers: answers.\n"
    )
