import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.contracts.system import SystemIdentity, SystemsRecipe
from tunix_ml.datasets.evaluation_catalog import load_evaluation_recipe
from tunix_ml.datasets.evaluation_publish import publish_evaluation_set
from tunix_ml.evaluation.report import read_scores
from tunix_ml.evaluation.system_catalog import SystemsEntry, load_systems, systems_recipes
from tunix_ml.evaluation.systems import IDENTITY_FILE, bring_in
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.lines import SourceError

Write = Callable[..., SystemsEntry]
ITEMS = {"What is 2 + 3?": "5", "What is 2 * 3?": "6", "What is 3 - 2?": "1"}


@pytest.fixture
def sums(store: Store) -> Snapshot:
    """A published evaluation set of three sums."""
    folder = store.home / "recipes" / "evaluation"
    folder.mkdir(parents=True)
    items = [
        {"item_id": f"sum {index}", "prompt": question, "final_answer": answer, "answer_type": "number"}
        for index, (question, answer) in enumerate(ITEMS.items())
    ]
    (folder / "sums.jsonl").write_text("".join(f"{json.dumps(item)}\n" for item in items))
    (folder / "sums-v1.yaml").write_text("{description: Sums., license: MIT, path: sums.jsonl}")
    return publish_evaluation_set(store, load_evaluation_recipe("sums-v1", store.home))


@pytest.fixture
def write(tmp_path: Path, sums: Snapshot) -> Write:
    """A function that writes records to a file and returns a recipe that reads them."""

    listed = sums.path.parents[3] / "recipes" / "systems" / "mine.yaml"
    listed.parent.mkdir(parents=True)
    listed.touch()

    def entry(records: Iterable[Any], **changes: Any) -> SystemsEntry:
        (tmp_path / "answers.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
        fields = {
            "description": "One system.",
            "license": "MIT",
            "path": "answers.jsonl",
            "evaluation_set": "sums-v1",
            "question": {"field": "question"},
            "answer": {"kind": "hashes"},
            "systems": {"one": {"text": {"field": "text"}}},
        }
        return SystemsEntry("mine", SystemsRecipe.model_validate(fields | changes), tmp_path / "mine.yaml")

    return entry


def answers(*texts: str) -> list[dict[str, str]]:
    return [{"question": question, "text": text} for question, text in zip(ITEMS, texts, strict=False)]


def verdicts_on(*verdicts: object) -> list[dict[str, object]]:
    return [{"question": question, "right": right} for question, right in zip(ITEMS, verdicts, strict=True)]


def report_of(snapshots: list[Snapshot]) -> EvalReport:
    (snapshot,) = snapshots
    return EvalReport.read(snapshot.file("eval.json"))


def bring(store: Store, entry: SystemsEntry) -> list[Snapshot]:
    return bring_in(store, entry, report=lambda line: None)


def test_texts_made_elsewhere_are_scored_as_our_own(store: Store, write: Write) -> None:
    report = report_of(bring(store, write(answers("so\n#### 5", "#### 7", "I do not know"))))

    assert (report.primary_score, report.n_items, report.coverage) == (1 / 3, 3, 1)
    assert report.status_counts == {"scored": 2, "unparsable": 1}
    assert report.inputs.keys() == {"evaluation_set", "answers"}
    assert (report.dataset_version, report.recipe, report.answer_rule) == (None, "one", "hashes")


def test_what_is_not_known_of_a_foreign_text_is_null_and_no_number(store: Store, write: Write) -> None:
    (snapshot,) = bring(store, write(answers("#### 5", "#### 6", "#### 1")))

    assert {score.scores.get("format_valid") for score in read_scores(snapshot)} == {None}
    assert "trace_num_tokens" not in report_of([snapshot]).metrics


def test_a_system_has_a_run_and_a_row_of_its_own(store: Store, write: Write) -> None:
    report = report_of(bring(store, write(answers("#### 5", "#### 6", "#### 1"))))

    identity = SystemIdentity.read(store.run(report.run_id).path / IDENTITY_FILE)
    (row,) = collect_leaderboard(store, required_checks=()).rows
    assert identity.run_id() == report.run_id == row["run_id"]
    assert (row["rank"], row["model"], row["status"], row["primary_score"]) == (1, "one", "valid", 1.0)
    assert (row["validation_loss"], row["device_seconds"]) == (None, None)


def test_an_item_without_an_answer_leaves_no_score(store: Store, write: Write) -> None:
    report = report_of(bring(store, write(answers("#### 5", "#### 6"))))

    assert (report.coverage, report.primary_score) == (2 / 3, None)
    assert collect_leaderboard(store, required_checks=()).rows[0]["status"] == "incomplete"


def test_several_records_of_an_item_are_its_samples(store: Store, write: Write) -> None:
    records = answers("#### 5", "#### 6", "#### 1") + answers("#### 4", "#### 6", "#### 2")

    report = report_of(bring(store, write(records)))

    assert (report.num_samples, report.primary_score) == (2, 2 / 3)
    assert report.pass_at_k[2].mean == 1


def test_records_may_name_the_item_and_be_of_several_systems(store: Store, write: Write) -> None:
    records = [
        {"id": f"sum {index}", "model": model, "out": text}
        for model, texts in {"a": "561", "b": "111"}.items()
        for index, text in enumerate(texts)
    ]
    systems = {name: {"text": {"field": "out"}, "where": {"model": name}} for name in "ab"}
    entry = write(records, question=None, item_id={"field": "id"}, answer={"kind": "whole"}, systems=systems)

    found = [report_of([snapshot]) for snapshot in bring(store, entry)]

    assert {report.recipe: report.primary_score for report in found} == {"a": 1, "b": 1 / 3}


def statuses(store: Store) -> list[tuple[str, str]]:
    rows = collect_leaderboard(store, required_checks=("every_item_is_scored",)).rows
    return sorted((row["status"], row["reason"]) for row in rows)


@pytest.mark.parametrize(
    ("texts", "changes"),
    [(("#### 5", "#### 6", "#### 2"), {}), (("#### 5", "#### 6", "#### 1"), {"answer": {"kind": "whole"}})],
    ids=["another file", "another rule"],
)
def test_a_run_that_its_recipe_has_replaced_is_stale(
    store: Store, write: Write, texts: tuple[str, ...], changes: dict[str, Any]
) -> None:
    bring(store, write(answers("#### 5", "#### 6", "#### 1")))

    bring(store, write(answers(*texts), **changes))

    rows = collect_leaderboard(store, required_checks=()).rows
    assert sorted((row["rank"] or 0, row["status"], row["reason"]) for row in rows) == [
        (0, "stale", "changed since: recipe or source file"),
        (1, "valid", ""),
    ]


def test_a_run_whose_recipe_is_gone_is_stale(store: Store, write: Write) -> None:
    bring(store, write(answers("#### 5", "#### 6", "#### 1")))
    (store.home / "recipes" / "systems" / "mine.yaml").unlink()

    (row,) = collect_leaderboard(store, required_checks=()).rows

    assert (row["status"], row["reason"]) == ("stale", "changed since: recipe")


def test_a_run_that_lacks_answers_is_incomplete_whatever_check_says_so(store: Store, write: Write) -> None:
    bring(store, write(answers("#### 5", "#### 6")))

    assert statuses(store) == [("incomplete", "2 of 3 items have a score")]


def test_a_system_without_a_record_is_refused(store: Store, write: Write) -> None:
    systems = {"one": {"text": {"field": "text"}, "where": {"question": "Nobody asked"}}}

    with pytest.raises(ContractError, match=r"system 'one' has no record where \{'question'"):
        bring(store, write(answers("#### 5"), systems=systems))
    assert store.run_ids() == []


def test_a_record_too_many_is_named_and_empties_no_run(store: Store, write: Write) -> None:
    records = answers("#### 5", "#### 6", "#### 1") + answers("#### 5")

    with pytest.raises(ContractError, match=r"2 records of items such as \['sum 0'\] and 1 of others"):
        bring(store, write(records))


def test_a_null_is_a_text_without_an_answer(store: Store, write: Write) -> None:
    records = [*answers("#### 5", "#### 6"), {"question": "What is 3 - 2?", "text": None}]

    report = report_of(bring(store, write(records)))

    assert (report.primary_score, report.status_counts) == (2 / 3, {"scored": 2, "unparsable": 1})


def test_a_file_may_be_one_array(store: Store, write: Write, tmp_path: Path) -> None:
    entry = write([], path="answers.json")
    (tmp_path / "answers.json").write_text(json.dumps(answers("#### 5", "#### 6", "#### 1"), indent=1))

    assert report_of(bring(store, entry)).primary_score == 1


def test_a_log_of_a_judge_gives_its_share_and_does_not_rank(store: Store, write: Write) -> None:
    records = verdicts_on(True, 0.5, "no")
    verdicts = {"true": 1.0, "no": 0.0}
    entry = write(records, judge="human", verdicts=verdicts, systems={"one": {"verdict": "right"}})

    report = report_of(bring(store, entry))

    assert (report.scorer, report.primary_metric, report.primary_score) == (
        "judge:human",
        "judged_correct",
        0.5,
    )
    (row,) = collect_leaderboard(store, required_checks=()).rows
    assert (row["rank"], row["reason"]) == (None, "judge human was never calibrated")


def test_a_verdict_that_stands_for_no_score_is_the_judges_error(store: Store, write: Write) -> None:
    entry = write(verdicts_on(True, None, "x"), judge="human", systems={"one": {"verdict": "right"}})

    report = report_of(bring(store, entry))

    assert (report.status_counts, report.primary_score) == ({"error": 2, "scored": 1}, None)


def test_the_same_file_is_the_same_run_and_another_one_another(store: Store, write: Write) -> None:
    entry = write(answers("#### 5", "#### 6", "#### 1"))

    first, again = bring(store, entry), bring(store, entry)
    other = bring(store, write(answers("#### 5", "#### 6", "#### 2")))

    assert first == again
    assert other[0].record.key != first[0].record.key


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([{"question": "What is 9 + 9?", "text": ""}], "line 1: 'What is 9 .* is no one item of sums-v1"),
        ([{"text": ""}], "line 1: there is no field 'question'"),
        (
            [*answers("#### 5"), {"question": "What is 2 * 3?", "text": [1.5]}],
            "line 2: text from 'text' is",
        ),
        ([[1]], "line 1: the line holds"),
        ([{"question": "?", "text": ""}] * 12, "; and 2 more"),
    ],
)
def test_records_that_do_not_fit_are_named_and_nothing_is_published(
    store: Store, write: Write, records: list[Any], found: str
) -> None:
    with pytest.raises(ContractError, match=found):
        bring(store, write(records))
    assert store.run_ids() == []


def test_a_file_that_is_not_there_is_named(store: Store, write: Write) -> None:
    with pytest.raises(SourceError, match=r"leads to .*elsewhere\.jsonl, which is no file"):
        bring(store, write([], path="elsewhere.jsonl"))


def test_an_evaluation_set_that_is_not_published_is_named(store: Store, write: Write) -> None:
    with pytest.raises(NotPublished, match="evals-v9"):
        bring(store, write([], evaluation_set="evals-v9"))


@pytest.mark.slow
@pytest.mark.skipif("GSM8K_DIR" not in os.environ, reason="GSM8K_DIR does not name the folder of GSM8K")
def test_the_published_systems_of_gsm8k_have_their_published_scores_and_differences(store: Store) -> None:
    expected = json.loads(Path(os.environ["GSM8K_DIR"], "reference_values.json").read_bytes())
    publish_evaluation_set(store, load_evaluation_recipe("gsm8k-test-v1", store.home))
    (path,) = systems_recipes(store.home)

    bring(store, load_systems(path))

    board = collect_leaderboard(store, required_checks=())
    rows = {row["model"]: row for row in board.rows if row["scorer"] == "answers"}
    for name, values in expected["gsm8k"].items():
        row = rows[name]
        assert row["primary_score"] == pytest.approx(values["acc"], rel=1e-12)
        assert row["stderr"] == pytest.approx(values["se_clt"], rel=1e-12)
        assert (row["ci95_low"], row["ci95_high"]) == pytest.approx(values["wilson"], rel=1e-9)
    assert [rows[name]["tie_group"] for name in _BEST_FIRST] == [1, 2, 3, 4]
    pairs = {_names(pair): pair for pair in board.pairs}
    assert len(pairs) == len(expected["gsm8k_pairs"]) == 6
    for name, values in expected["gsm8k_pairs"].items():
        pair = pairs[frozenset(name.split(" - "))]
        assert abs(pair["difference"]) == pytest.approx(abs(values["diff"]), rel=1e-12)
        assert pair["p_value"] == pytest.approx(values["p_mcnemar_exact"], rel=1e-9)
        assert pair["p_holm"] == pytest.approx(values["p_adj_holm"], rel=1e-9)


_BEST_FIRST = ("175b_verification", "6b_verification", "175b_finetuning", "6b_finetuning")


def _names(pair: dict[str, Any]) -> frozenset[str]:
    return frozenset(pair[run].partition(".external.")[0] for run in ("run_a", "run_b"))
