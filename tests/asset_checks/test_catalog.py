import ast
import inspect
import re
from pathlib import Path

import pytest

import asset_checks
from asset_checks.catalog import PARTITIONED_CHECKS, UNPARTITIONED_CHECKS, blocking_checks
from asset_checks.outcome import Check

ALL_CHECKS = (*PARTITIONED_CHECKS, *UNPARTITIONED_CHECKS)
ASSETS = (
    "dataset",
    "dataset_quality",
    "evaluation_sets",
    "sft_export",
    "tokenized_examples",
    "checkpoint",
    "predictions",
    "eval_report",
    "judge_calibration",
    "judged_eval",
    "judged_report",
)
# From these nothing is made that could not do without, so their checks tell and hold up nobody.
SIDE_ASSETS = (
    "external_systems",
    "leaderboard",
    "registered_model",
    "results_site",
    "run_comparison",
    "submission_bundle",
    "sweep",
    "throughput_benchmark",
)


@pytest.mark.parametrize("asset", [*ASSETS, *SIDE_ASSETS])
def test_every_asset_is_checked(asset: str) -> None:
    assert any(check.asset == asset for check in ALL_CHECKS)


def test_every_check_is_about_an_asset_under_a_name_of_its_own() -> None:
    assert {check.asset for check in ALL_CHECKS} == {*ASSETS, *SIDE_ASSETS}
    assert len({(check.asset, check.name) for check in ALL_CHECKS}) == len(ALL_CHECKS)


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: f"{check.asset}-{check.name}")
def test_every_check_states_its_fact_in_a_sentence(check: Check) -> None:
    assert re.fullmatch(r"[A-Z].*\.", check.description)


def test_no_check_was_written_and_forgotten() -> None:
    """Each public function of a check module that takes a subject stands in the catalog."""
    written = set()
    for path in Path(inspect.getfile(asset_checks)).parent.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = [ast.unparse(a.annotation) for a in node.args.args if a.annotation]
                if arguments == ["Subject"]:
                    written.add(node.name)

    assert written == {check.name for check in ALL_CHECKS}


def test_a_consumer_relies_on_the_blocking_checks_alone() -> None:
    assert blocking_checks("sft_export") == (
        "every_trace_is_exported_once",
        "completions_hold_the_answer",
        "prompts_hold_no_answer",
    )
    assert "arithmetic_claims_hold" not in blocking_checks("dataset")
    assert "loss_fell" not in blocking_checks("checkpoint")
    assert "items_keep_their_contract" in blocking_checks("evaluation_sets")
    assert "items_are_no_training_examples" not in blocking_checks("evaluation_sets")
    assert blocking_checks("no_such_asset") == ()


@pytest.mark.parametrize("asset", ASSETS)
def test_whatever_something_is_made_from_has_a_check_that_blocks(asset: str) -> None:
    assert blocking_checks(asset)
