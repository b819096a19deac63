import json
from collections.abc import Callable

import pytest

from tunix_ml.contracts.export import EXPORT_FORMATS, ExportConfig, ExportFormat, ExportManifest, TemplateName
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Trace, TraceStep
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry, load_recipe
from tunix_ml.datasets.evaluation_set import load_evaluation_set
from tunix_ml.datasets.read import Dataset, read_dataset
from tunix_ml.exports.render import read_export, render_dataset, training_example
from tunix_ml.exports.templates import template
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

STEPS = (TraceStep(3, "recall", "Add them."), TraceStep(1, "calculate", "2 + 3 = 5."))
TRACE = Trace("1.1", "What is 2 + 3?", "5", STEPS, {"family": "sums", "level": 2})
ROW = DatasetTrace("f" * 32, "train", TRACE, "test", 1)
Write = Callable[..., CatalogEntry]


def publish(store: Store, entry: CatalogEntry, name: TemplateName = "reasoning_tags") -> Snapshot:
    build_dataset(store, entry, report=lambda line: None)
    return render_dataset(store, entry.dataset_version, ExportConfig(template=name))


@pytest.mark.parametrize("export_format", EXPORT_FORMATS)
@pytest.mark.parametrize("split", SPLITS)
def test_every_trace_is_written_once_in_the_file_of_its_split(
    store: Store, exported: Snapshot, export_format: ExportFormat, split: str
) -> None:
    written = [record["id"] for record in read_export(exported, export_format, split)]
    expected = [row.trace_id for row in read_dataset(store, "golden-v2").rows if row.split == split]

    assert written == expected
    manifest = ExportManifest.read(exported.file("export.json"))
    assert manifest.counts[f"{export_format}.{split}.jsonl"] == len(expected)


def test_the_three_formats_of_one_trace(store: Store, write_entry: Write) -> None:
    export = publish(store, write_entry([TRACE], splits={"train": 1.0}), "reasoning_lines")
    trace, dialogue, example = (read_export(export, name, "train")[0] for name in EXPORT_FORMATS)

    assert trace["prompts"] == "What is 2 + 3?"
    assert trace["trace_steps"] == ["Add them.", "2 + 3 = 5."]
    assert trace["metadata"] == {
        "trace_version": "1.1",
        "split": "train",
        "step_indices": [3, 1],
        "step_types": ["recall", "calculate"],
        "meta": {"family": "sums", "level": 2},
    }
    assert dialogue["prompts"] == (
        "<start_of_turn>user\nWhat is 2 + 3?<end_of_turn>\n<start_of_turn>model\n"
        "Reasoning:\n1. Add them.\n2. 2 + 3 = 5.\nAnswer: 5<end_of_turn>"
    )
    assert (trace["final_answer"], dialogue["final_answer"]) == ("5", "5")
    assert example["prompt"] == "What is 2 + 3?\n\nPlease show your reasoning steps.\n"
    assert example["response"] == "Reasoning:\n1. Add them.\n2. 2 + 3 = 5.\nAnswer: 5"


@pytest.mark.parametrize("name", ["reasoning_tags", "reasoning_lines", "answer_only"])
def test_training_and_asking_use_the_same_text(
    store: Store, golden: Snapshot, exported: Snapshot, name: TemplateName
) -> None:
    export = render_dataset(store, "golden-v2", ExportConfig(template=name))
    items = {item.item_id: item for item in load_evaluation_set(store, "golden-v2.test").items}

    for record in read_export(export, "training_example", "test"):
        item = items[record["id"]]
        assert record["prompt"] == template(name).prompt_text(item.prompt)
        assert record["response"] == template(name).completion_text(item.steps, item.final_answer)


def test_the_prompt_is_what_is_asked_and_holds_no_step_and_no_answer() -> None:
    example = training_example(ROW, template("reasoning_tags"))

    assert example.prompt == "What is 2 + 3?\n"
    assert example.response.endswith("<answer>5</answer>")
    assert all(step.content in example.response for step in STEPS)


@pytest.mark.parametrize("version", ["golden-v1", "golden-v2", "dev-reasoning-v1"])
@pytest.mark.parametrize("export_format", ["trace", "tunix_sft"])
def test_an_export_ingested_again_gives_the_same_traces(
    store: Store, write_entry: Write, version: str, export_format: ExportFormat
) -> None:
    export = publish(store, load_recipe(version, store.home))
    lines = [
        line
        for split in SPLITS
        for line in export.file(f"{export_format}.{split}.jsonl").read_bytes().splitlines()
    ]

    again = write_entry(lines, source={"format": export_format})
    dataset = Dataset(build_dataset(store, again, report=lambda line: None))

    assert set(dataset.manifest.trace_ids) == set(read_dataset(store, version).manifest.trace_ids)
    assert dataset.manifest.reject_count == 0


def test_marks_that_some_readers_take_for_line_ends_stay_within_their_line(
    store: Store, write_entry: Write
) -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh\r\ni"
    trace = Trace("1.0", odd, "5", (TraceStep(0, "reasoning", odd),))

    export = publish(store, write_entry([trace], splits={"train": 1.0}))

    (record,) = read_export(export, "trace", "train")
    assert (record["prompts"], record["trace_steps"]) == (odd, [odd])


def test_the_export_names_what_it_was_made_from(golden: Snapshot, exported: Snapshot) -> None:
    manifest = json.loads(exported.file("export.json").read_bytes())

    assert (manifest["dataset_version"], manifest["dataset_digest"]) == ("golden-v2", golden.digest)
    assert manifest["template_digest"] == template("reasoning_tags").digest()
    assert exported.record.parents == {"dataset": golden.digest}


@pytest.mark.parametrize("digest", [None, "0" * 64])
def test_a_dataset_that_was_not_built_cannot_be_rendered(store: Store, digest: str | None) -> None:
    with pytest.raises(NotPublished, match="golden-v2"):
        render_dataset(store, "golden-v2", ExportConfig(), dataset_digest=digest)
    assert store.slot("sft_export", "golden-v2").pointer() is None
