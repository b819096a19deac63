import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks import sft_export
from asset_checks.outcome import Check, Subject
from tunix_ml.contracts.export import ExportConfig, ExportFormat, TemplateName
from tunix_ml.exports.render import render_dataset
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

Record = dict[str, Any]


@pytest.fixture
def slot(store: Store, exported: Snapshot) -> Slot:
    return store.slot("sft_export", "golden-v2")


@pytest.fixture
def plant(slot: Slot, tampered: Callable[..., Subject]) -> Callable[..., Subject]:
    """A function that publishes the export with the lines of one file changed."""

    def changed(
        change: Callable[[list[Record]], object],
        *,
        export_format: ExportFormat = "training_example",
        split: str = "train",
    ) -> Subject:
        def edit(folder: Path) -> None:
            path = folder / f"{export_format}.{split}.jsonl"
            records = [json.loads(line) for line in path.read_bytes().splitlines()]
            change(records)
            path.write_text("".join(json.dumps(record) + "\n" for record in records))

        return tampered(slot, edit)

    return changed


@pytest.mark.parametrize("check", sft_export.CHECKS, ids=lambda check: check.name)
@pytest.mark.parametrize("name", ["reasoning_tags", "reasoning_lines", "answer_only"])
def test_golden_v2_passes_every_check_in_every_template(
    store: Store, slot: Slot, subject_of: Callable[..., Subject], check: Check, name: TemplateName
) -> None:
    outcome = check.function(
        subject_of(slot, render_dataset(store, "golden-v2", ExportConfig(template=name)))
    )

    assert outcome.passed, outcome.description


@pytest.mark.parametrize("export_format", ["trace", "tunix_sft", "training_example"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda records: records.pop(), "1 missing, 0 too many"),
        (lambda records: records.append(records[0]), "0 missing, 1 too many"),
        (lambda records: records[0].update(id="0" * 32), "1 missing, 1 too many"),
    ],
)
def test_a_trace_that_is_not_there_exactly_once_is_found(
    plant: Callable[..., Subject],
    export_format: ExportFormat,
    change: Callable[[list[Record]], object],
    found: str,
) -> None:
    outcome = sft_export.every_trace_is_exported_once(plant(change, export_format=export_format))

    assert not outcome.passed
    assert f"{export_format}.train: {found}" in outcome.description


def test_a_held_out_trace_among_the_training_examples_is_found(
    plant: Callable[..., Subject], exported: Snapshot
) -> None:
    leaked = json.loads(exported.file("training_example.test.jsonl").read_bytes().splitlines()[0])

    outcome = sft_export.every_trace_is_exported_once(plant(lambda records: records.append(leaked)))

    assert not outcome.passed


def respond(text: str) -> Callable[[list[Record]], None]:
    return lambda records: records[0].update(response=text)


@pytest.mark.parametrize(
    "change",
    [
        respond(""),
        respond("The answer is in here somewhere."),
        respond("<reasoning>\nNo answer.\n</reasoning>\n"),
        respond("<reasoning>\nso\n</reasoning>\n<answer>not this</answer>"),
        # Right, but not well-formed: a second answer before it, or nothing to learn from.
        lambda records: records[0].update(response="<answer>7</answer>" + records[0]["response"]),
        lambda records: records[0].update(response="<reasoning> </reasoning>" + records[0]["response"][-30:]),
        lambda records: records[0].update(response=records[1]["response"]),
        lambda records: records[0].update(id="0" * 32),
    ],
)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_completion_without_its_own_answer_is_found(
    plant: Callable[..., Subject], change: Callable[[list[Record]], object], split: str
) -> None:
    outcome = sft_export.completions_hold_the_answer(plant(change, split=split))

    assert not outcome.passed


@pytest.mark.parametrize(
    "leak",
    [
        lambda record: record["prompt"] + record["response"],
        lambda record: record["prompt"] + "<answer>5</answer>\n",
        lambda record: "<answer>\nfive\n</answer> " + record["prompt"],
    ],
)
def test_a_prompt_that_holds_the_answer_is_found(
    plant: Callable[..., Subject], leak: Callable[[Record], str]
) -> None:
    subject = plant(lambda records: records[0].update(prompt=leak(records[0])))

    outcome = sft_export.prompts_hold_no_answer(subject)

    assert not outcome.passed
    assert "the prompt holds the completion's answer" in outcome.description


def test_an_export_of_an_earlier_dataset_is_compared_with_that_one(
    store: Store, slot: Slot, tampered: Callable[..., Subject], subject_of: Callable[..., Subject]
) -> None:
    tampered(store.slot("dataset", "golden-v2"), lambda folder: (folder / "README.md").write_text("new"))

    assert sft_export.every_trace_is_exported_once(subject_of(slot)).passed


def test_every_check_blocks() -> None:
    assert all(check.blocking for check in sft_export.CHECKS)
