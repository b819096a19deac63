"""The asset `registered_model`."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asset_checks import registered_model as checks
from asset_checks.binding import bind
from asset_checks.catalog import blocking_checks
from asset_checks.outcome import Subject
from tunix_assets.assets.registered_model import registered_model
from tunix_assets.resources import StoreResource, WorkerResource
from tunix_ml.audits import record_audit
from tunix_ml.contracts.registry import Decision
from tunix_ml.registry.events import event_log
from tunix_ml.registry.evidence import evidence_of
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.models import decide, read_registered
from tunix_ml.slot import Slot
from tunix_ml.store import Store

GOLDEN = "golden-v2.test"
Result = dg.ExecuteInProcessResult


def materialize(*, partition: str | None = None, **config: Any) -> Result:
    """Make the asset as a run of its own, with its checks."""
    return dg.materialize(
        [registered_model, *bind(checks.CHECKS, partitions_def=None)],
        resources={"store": StoreResource(), "worker": WorkerResource()},
        run_config={"ops": {"registered_model": {"config": config}}},
        tags={"dagster/partition": partition} if partition else None,
        raise_on_error=False,
    )


def metadata(result: Result) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("registered_model")
    return {name: value.value for name, value in event.metadata.items()}


def failure(result: Result) -> str:
    found = result.failure_data_for_node("registered_model")
    assert found is not None
    assert found.user_failure_data is not None
    return str(found.user_failure_data.description)


@pytest.fixture
def at_home(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The test's store, set in the environment."""
    monkeypatch.setenv("TUNIX_HOME", str(store.home))
    return store


@pytest.fixture
def audited(at_home: Store, evaluated: Callable[..., Slot]) -> Callable[..., str]:
    """A function that fabricates a run that has passed all its checks, but for a model that can be asked."""

    def make(**options: Any) -> str:
        run = at_home.run(evaluated(**options).key)
        rows = collect_leaderboard(at_home, required_checks=()).rows
        evidence = evidence_of(at_home, next(row for row in rows if row["run_id"] == run.run_id))
        slots = {
            "checkpoint": (at_home.slot("checkpoint", "golden-v2"), evidence["checkpoint"]),
            "predictions": (run.slot(f"predictions/{GOLDEN}"), evidence["predictions"]),
            "eval_report": (run.slot(f"eval/{GOLDEN}"), evidence["eval"]),
        }
        for asset, (slot, digest) in slots.items():
            for check in blocking_checks(asset):
                record_audit(slot, digest, check=check, passed=True, description="as the test has it")
        return run.run_id

    return make


def test_the_run_of_the_pipeline_becomes_champion_and_every_check_holds(
    pipeline: Any, pipeline_copy: Path
) -> None:
    run_id = pipeline.metadata("checkpoint")["run_id"]

    result = materialize(partition="golden-v1")

    assert result.success
    told = metadata(result)
    assert (told["model"], told["result"], told["champion"]) == ("golden-v1.test", "promoted", run_id)
    assert told["reasons"] == "none"
    assert told["heads"]["golden-v1.test"]["sequence"] == 2
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed == []
    reproduction = Store(pipeline_copy).run(str(run_id)).slot("reproduction/golden-v1.test").resolve()
    assert reproduction.verify() == []


def test_making_it_again_keeps_the_champion(pipeline: Any, pipeline_copy: Path) -> None:
    first = materialize(partition="golden-v1")

    again = materialize(partition="golden-v1")

    assert metadata(again)["result"] == "kept"
    assert metadata(again)["heads"] == metadata(first)["heads"]


def test_a_best_run_that_may_not_be_promoted_is_no_failure(audited: Callable[..., str]) -> None:
    run_id = audited()

    result = materialize(partition="golden-v2")

    told = metadata(result)
    assert (told["result"], told["champion"]) == ("kept", "none")
    assert f"the model of {run_id} could not be asked again: " in told["reasons"]
    assert "tokenizer" in told["reasons"]
    assert "candidate" in told["versions"]


def test_the_numbers_of_the_gate_are_shown(at_home: Store, audited: Callable[..., str]) -> None:
    first = audited(recipe="poor", share_right=0.0)
    (row,) = collect_leaderboard(at_home, required_checks=()).rows
    evidence = evidence_of(at_home, row)
    fields = {"version": evidence["model"], "run_id": first, "actor": "ada", "reason": "first"}
    fields |= {"evaluation_set": GOLDEN, "scorer": "answers", "evidence": evidence}
    for kind in ("register", "promote"):
        decide(at_home, read_registered(at_home, GOLDEN), Decision.model_validate({"kind": kind, **fields}))
    audited(recipe="good", share_right=1.0)

    told = metadata(materialize(partition="golden-v2"))

    assert (told["result"], told["champion"]) == ("kept", first)
    assert "| verdict | PASS |" in told["gate"]
    assert "| difference | 1.0000 |" in told["gate"]


def test_predictions_that_are_gone_are_one_reason_among_others(
    at_home: Store, audited: Callable[..., str], tampered: Callable[..., Subject]
) -> None:
    run_id = audited()
    slot = at_home.run(run_id).slot(f"predictions/{GOLDEN}")
    asked = slot.resolve()
    tampered(slot, lambda folder: (folder / "gold.jsonl").write_bytes(b"\n"))
    shutil.rmtree(asked.path)

    result = materialize(action="promote", run_id=run_id, evaluation_set=GOLDEN, reason="please")

    assert f"the row of {run_id} on {GOLDEN} is stale: changed since: predictions" in failure(result)
    assert f"could not be asked again: predictions/{GOLDEN} of '{run_id}' has no content" in failure(result)


def test_a_promotion_by_name_that_must_not_be_fails_with_every_reason(audited: Callable[..., str]) -> None:
    run_id = audited()

    result = materialize(action="promote", run_id=run_id, evaluation_set=GOLDEN, reason="please")

    assert not result.success
    assert failure(result).startswith(f"{run_id} is not promoted: the model of {run_id} could not be asked")


def test_a_run_is_rejected_by_name(at_home: Store, audited: Callable[..., str]) -> None:
    run_id = audited()

    result = materialize(
        action="reject", run_id=run_id, model="mine", reason="it answers in French", actor="ada"
    )

    told = metadata(result)
    assert (told["model"], told["result"]) == ("mine", "rejected")
    assert "it answers in French" in told["events"]
    (version,) = read_registered(at_home, "mine").versions.values()
    assert version.status == "rejected"


def test_a_roll_back_without_a_former_champion_fails(audited: Callable[..., str]) -> None:
    audited()

    result = materialize(action="roll_back", reason="why not", partition="golden-v2")

    assert failure(result) == "'golden-v2.test' cannot roll back: there is no former champion"


def test_what_an_action_lacks_is_told_before_anything_is_done(at_home: Store) -> None:
    result = materialize(action="retire", run_id="some run")

    found = result.failure_data_for_node("registered_model")
    assert found is not None
    assert found.error is not None
    assert "action retire needs a `reason`" in found.error.to_string()
    assert not (at_home.home / "registry").exists()


def test_a_log_that_was_cut_short_stops_everything(at_home: Store, audited: Callable[..., str]) -> None:
    run_id = audited()
    materialize(action="reject", run_id=run_id, evaluation_set=GOLDEN, reason="it answers in French")
    event_log(at_home, GOLDEN).file(2).unlink()

    result = materialize(partition="golden-v2")

    assert "00000002.json is missing, it was the last event once: the log was cut short" in failure(result)


def test_without_a_run_there_is_nothing_to_register(at_home: Store) -> None:
    result = materialize(partition="golden-v2")

    told = metadata(result)
    assert (told["result"], told["reasons"]) == (
        "kept",
        "* no run that may be chosen has a valid row on golden-v2.test by answers",
    )
