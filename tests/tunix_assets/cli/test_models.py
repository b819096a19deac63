from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.registry.archive_reader import verify_archive
from tunix_ml.slot import Slot
from tunix_ml.store import Store

SET = "golden-v1.test"


@pytest.fixture(autouse=True)
def no_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_the_best_run_is_promoted_listed_and_exported_and_cannot_be_rolled_back(
    pipeline: Any, pipeline_copy: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    run_id, home = pipeline.metadata("checkpoint")["run_id"], Store(pipeline_copy)

    promoted = command("models", "promote", "--set", SET, "--actor", "ada", "--json", on=home)
    listed = command("models", "list", "--json", on=home).record["models"][SET]
    text = command("models", "list", on=home).out
    exported = command("models", "export", SET, str(tmp_path / "champion.tar"), on=home)
    rolled = command("models", "rollback", "--set", SET, "--reason", "to see", on=home)

    assert (promoted.code, promoted.record["result"], promoted.record["run_id"]) == (0, "promoted", run_id)
    assert home.slot("registered_model", "all").resolve()
    assert [version["status"] for version in listed["versions"]] == ["champion"]
    assert f"{SET}  champion  {run_id}" in text
    assert (exported.code, verify_archive(tmp_path / "champion.tar").run_id) == (0, run_id)
    assert exported.out.startswith(f"{tmp_path}/champion.tar: {SET}, version ")
    assert rolled.code == 1
    assert "there is no former champion" in rolled.err


def test_a_run_that_does_not_fulfil_the_demands_is_refused_with_all_reasons(
    store: Store, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    run_id = evaluated().key

    answer = command("models", "promote", run_id, "--set", "golden-v2.test", "--reason", "to see")

    assert (answer.code, answer.out) == (1, "")
    assert f"{run_id} is not promoted: " in answer.err
    assert "has not been run" in answer.err
    assert answer.err.count("\n") == 1


def test_what_is_kept_is_told_with_its_reasons(
    store: Store, evaluated: Callable[..., Slot], command: Callable[..., Any]
) -> None:
    evaluated()

    answer = command("models", "promote", "--set", "eval-v1")

    assert answer.code == 0
    assert answer.out.splitlines()[0] == "eval-v1: kept nothing"
    assert "no run that may be chosen has a valid row on eval-v1" in answer.out


def test_a_decision_by_name_needs_a_reason(command: Callable[..., Any]) -> None:
    answer = command("models", "rollback", "--set", SET)

    assert (answer.code, "action roll_back needs a `reason`" in answer.err) == (1, True)


def test_nothing_registered_is_an_empty_list_and_no_export(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    assert command("models", "list", "--json").record == {"models": {}}
    answer = command("models", "export", SET, str(tmp_path / "a.tar"))
    assert (answer.code, "has no champion" in answer.err) == (1, True)
