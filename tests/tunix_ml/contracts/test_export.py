import json

import msgspec
import pytest
from pydantic import ValidationError

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.export import (
    EXPORT_FORMATS,
    ExportConfig,
    ExportManifest,
    TraceExport,
    TrainingExample,
    TunixSftExport,
    export_file,
)


def test_lines_have_the_field_names_of_the_original_system() -> None:
    trace = TraceExport("id", "2 + 2?", ("2 + 2 = 4",), "4", {})
    sft = TunixSftExport("id", "<start_of_turn>", "4", {"n": 1})
    example = TrainingExample("id", "2 + 2?", "4", {})

    assert json.loads(msgspec.json.encode(trace)) == {
        "id": "id",
        "prompts": "2 + 2?",
        "trace_steps": ["2 + 2 = 4"],
        "final_answer": "4",
        "metadata": {},
    }
    assert list(json.loads(msgspec.json.encode(sft))) == ["id", "prompts", "final_answer", "metadata"]
    assert list(json.loads(msgspec.json.encode(example))) == ["id", "prompt", "response", "metadata"]


def test_a_line_is_read_as_it_was_written() -> None:
    line = TraceExport("id", "2 + 2?", ("2 + 2 = 4", "so 4"), "4", {"family": "sums"})

    assert msgspec.json.decode(msgspec.json.encode(line), type=TraceExport) == line


def test_each_format_and_split_has_a_file_of_its_own() -> None:
    names = {
        export_file(export_format, split) for export_format in EXPORT_FORMATS for split in ("train", "test")
    }

    assert len(names) == 6
    assert "tunix_sft.train.jsonl" in names


def test_an_unknown_template_or_key_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="Input should be 'reasoning_tags', 'reasoning_lines' or 'answer_only'"
    ):
        ExportConfig(template="chat")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ExportConfig(templates="answer_only")  # type: ignore[call-arg]


def test_a_manifest_says_what_was_rendered_and_how() -> None:
    manifest = ExportManifest(
        dataset_version="golden-v2",
        dataset_digest="a" * 64,
        template="answer_only",
        template_digest="b" * 64,
        counts={"trace.train.jsonl": 3},
    )

    assert ExportManifest.parse(manifest.to_json(), subject="export.json") == manifest
    with pytest.raises(
        ContractError, match=r"export\.json .*counts\.trace\.train\.jsonl: Input should be a valid"
    ):
        ExportManifest.parse(manifest.to_json().replace(b":3", b":null"), subject="export.json")
