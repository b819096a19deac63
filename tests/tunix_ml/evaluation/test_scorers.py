import ast
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tunix_ml
from tunix_ml.contracts.evaluation_set import EvaluationItem
from tunix_ml.contracts.metrics import METRICS, SAMPLE_METRICS
from tunix_ml.contracts.system import AnswerRule
from tunix_ml.evaluation import scorers
from tunix_ml.evaluation.answers.extract import Extraction, extract_answer, find_answer
from tunix_ml.evaluation.answers.verdict import Verdict
from tunix_ml.evaluation.scorers import SCORERS, Reading, score_reading, scorer_digest
from tunix_ml.exports.templates import template

ROOT = Path(tunix_ml.__file__).parent
ITEM = EvaluationItem("item", "What?", "10", "number", steps=("2 + 3 = 5.", "5 * 2 = 10."))
RIGHT = "<reasoning>\n2 + 3 = 5.\n5 * 2 = 10.\n</reasoning>\n<answer>10</answer>"


def reading(text: str, **fields: Any) -> Reading:
    chosen = template("reasoning_tags")
    found = extract_answer(text, chosen)
    verdict = Verdict("equal" if found.answer == ITEM.final_answer else "different", "number")
    return Reading(
        **{
            "item": ITEM,
            "text": text,
            "extraction": found,
            "verdict": None if found.answer is None else verdict,
            "was_cut": False,
            "num_new_tokens": 40,
            "template": chosen,
            **fields,
        }
    )


def test_every_metric_that_a_text_alone_decides_has_its_scorer() -> None:
    of_judge_and_model = {"judged_correct", "gold_nats_per_token", "gold_bits_per_byte"}

    assert set(SCORERS) == {metric.name for metric in SAMPLE_METRICS} - of_judge_and_model


def test_a_true_completion_has_full_marks() -> None:
    assert score_reading(reading(RIGHT)) == {
        "answer_correctness": 1.0,
        "answer_correctness_v1": 0.0,
        "format_valid": 1.0,
        "format_recoverable": 1.0,
        "hit_max_new_tokens": 0.0,
        "trace_present": 1.0,
        "trace_num_steps": 2.0,
        "trace_num_tokens": 40.0,
        "claims_correct": 1.0,
        "gold_step_recall": 1.0,
        "answer_supported": 1.0,
        "repetition": 0.0,
    }


def test_a_text_that_goes_in_circles_has_none() -> None:
    text = "2 + 3 = 6.\n" * 4

    assert score_reading(reading(text, was_cut=True)) == {
        "answer_correctness": 0.0,
        "answer_correctness_v1": 0.0,
        "format_valid": 0.0,
        "format_recoverable": 0.0,
        "hit_max_new_tokens": 1.0,
        "trace_present": 1.0,
        "trace_num_steps": 4.0,
        "trace_num_tokens": 40.0,
        "claims_correct": 0.0,
        "gold_step_recall": 0.0,
        "answer_supported": None,
        "repetition": 0.75,
    }


def test_what_does_not_apply_to_a_sample_is_null() -> None:
    item = EvaluationItem("item", "What?", "10", "number")
    scores = score_reading(Reading(item, "", Extraction(None, None), None))

    assert {name for name, value in scores.items() if value is None} == {
        "format_valid",
        "hit_max_new_tokens",
        "trace_num_tokens",
        "claims_correct",
        "gold_step_recall",
        "answer_supported",
        "repetition",
    }


@pytest.mark.parametrize(
    ("outcome", "score"), [("equal", 1.0), ("different", 0.0), ("timeout", None), ("error", None)]
)
def test_a_failure_of_the_scorer_is_no_score(outcome: Any, score: float | None) -> None:
    assert SCORERS["answer_correctness"](reading(RIGHT, verdict=Verdict(outcome, "math"))) == score


@pytest.mark.parametrize(("text", "score"), [("10", 1.0), ("10 ", 0.0), ("10.", 0.0), (RIGHT, 0.0)])
def test_the_first_version_compares_the_whole_text_character_for_character(text: str, score: float) -> None:
    assert SCORERS["answer_correctness_v1"](reading(text)) == score


def test_a_text_in_another_format_is_recoverable_and_not_valid() -> None:
    scores = score_reading(reading("2 + 3 = 5.\n#### 10"))

    assert (scores["format_valid"], scores["format_recoverable"], scores["answer_correctness"]) == (
        0.0,
        1.0,
        0.0,
    )


def test_what_a_rule_finds_is_recoverable() -> None:
    found = find_answer("A: 10", AnswerRule(kind="pattern", pattern="A: (.*)"))

    assert SCORERS["format_recoverable"](reading("A: 10", extraction=found, template=None)) == 1.0


def test_an_answer_alone_is_unsupported_unless_no_reasoning_was_asked_for() -> None:
    text = "<answer>10</answer>"
    score = SCORERS["answer_supported"]

    assert score(reading(text)) == 0.0
    assert score(reading(text, template=None)) == 0.0
    assert score(reading(text, template=template("answer_only"))) is None


def test_a_unit_does_not_matter_to_the_support_of_an_answer() -> None:
    item = EvaluationItem("item", "How far?", "10", "number", unit="km")

    assert SCORERS["answer_supported"](reading(RIGHT.replace(">10<", ">10 km<"), item=item)) == 1.0


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "<answer>" * 100, RIGHT * 100, "\r\n" * 100])
def test_shares_lie_between_nothing_and_all_whatever_the_text(text: str) -> None:
    for name, value in score_reading(reading(text)).items():
        assert value is None or value >= 0
        assert value is None or value <= 1 or not METRICS[name].is_share


def test_every_scorer_has_a_digest_of_its_own() -> None:
    digests = {scorer_digest(name) for name in SCORERS}

    assert len(digests) == len(SCORERS)
    assert all(len(digest) == 64 for digest in digests)


@pytest.mark.parametrize("name", SCORERS)
def test_a_digest_covers_every_module_that_decides_the_score(name: str) -> None:
    """From the functions that the scorer calls, imports are followed through tunix_ml, contracts left out."""
    sources, _ = scorers._RESTS_ON[name]
    used = set(SCORERS[name].__code__.co_names)
    called = {vars(scorers)[n].__module__ for n in used if inspect.isfunction(vars(scorers).get(n))}
    named = {f"tunix_ml.{source.replace('/', '.')}" for source in sources}

    assert called - {scorers.__name__} <= named
    assert set().union(*map(imported_modules, named)) - named == set()


def imported_modules(module: str) -> set[str]:
    """Return the modules that a module imports and that may decide a score."""
    source = (ROOT.parent / f"{module.replace('.', '/')}.py").read_text()
    names = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    decisive = {name for name in names if name and name.startswith("tunix_ml.")}
    return {name for name in decisive if not name.startswith("tunix_ml.contracts.")} - {"tunix_ml.worker"}


DIGESTS = """
import json
from tunix_ml.evaluation.scorers import SCORERS, scorer_digest
print(json.dumps({name: scorer_digest(name) for name in SCORERS}))
"""


@pytest.fixture(scope="module")
def copied_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT, root / "tunix_ml", ignore=shutil.ignore_patterns("__pycache__", "*.jinja"))
    return root


def digests_of(root: Path) -> dict[str, str]:
    # Coverage of a copy would count as another package's.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    environment = {**inherited, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", DIGESTS]
    digests: dict[str, str] = json.loads(
        subprocess.check_output(command, env=environment, cwd=root, timeout=60)
    )
    return digests


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("evaluation/statistics/estimates.py", set()),
        ("evaluation/report.py", set()),
        ("evaluation/answers/sequences.py", {"answer_correctness"}),
        (
            "traces/claims.py",
            {"trace_present", "trace_num_steps", "claims_correct", "gold_step_recall", "answer_supported"},
        ),
    ],
)
def test_a_change_of_code_makes_stale_what_it_decides(
    copied_source: Path, module: str, stale: set[str]
) -> None:
    file = copied_source / "tunix_ml" / module
    before, source = digests_of(copied_source), file.read_text()

    file.write_text(source + "\n# changed\n")
    after = digests_of(copied_source)
    file.write_text(source)

    assert {name for name in SCORERS if before[name] != after[name]} == stale


def test_a_change_of_one_scorer_makes_that_one_stale(copied_source: Path) -> None:
    file = copied_source / "tunix_ml" / "evaluation" / "scorers.py"
    before, source = digests_of(copied_source), file.read_text()

    file.write_text(source.replace("float(reading.num_new_tokens)", "1.0 * reading.num_new_tokens"))
    after = digests_of(copied_source)
    file.write_text(source)

    assert {name for name in SCORERS if before[name] != after[name]} == {"trace_num_tokens"}
