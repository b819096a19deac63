"""The three JSONL export formats: `trace`, `tunix_sft` and `training_example`."""

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from tunix_ml.contracts.base import Artifact

ExportFormat = Literal["trace", "tunix_sft", "training_example"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = ("trace", "tunix_sft", "training_example")
TemplateName = Literal["reasoning_tags", "reasoning_lines", "answer_only"]


class ExportConfig(BaseModel):
    """How traces are turned into text for a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: TemplateName = Field(
        "reasoning_tags",
        description="reasoning_tags: <reasoning>…</reasoning><answer>…</answer>; "
        "reasoning_lines: `Reasoning:` and `Answer:` lines; answer_only: the answer without reasoning",
    )


class TraceExport(msgspec.Struct, frozen=True):
    """A line of `trace.<split>.jsonl`; it can be ingested again."""

    id: str
    prompts: str
    trace_steps: tuple[str, ...]
    final_answer: str
    metadata: dict[str, Any]


class TunixSftExport(msgspec.Struct, frozen=True):
    """A line of `tunix_sft.<split>.jsonl`: the whole dialogue in Gemma's turns."""

    id: str
    prompts: str
    final_answer: str
    metadata: dict[str, Any]


class TrainingExample(msgspec.Struct, frozen=True):
    """A line of `training_example.<split>.jsonl`: what the model reads and what it learns to write."""

    id: str
    prompt: str
    response: str
    metadata: dict[str, Any]


class ExportManifest(Artifact):
    """`export.json`: which dataset content and which template an export was made from."""

    dataset_version: str
    dataset_digest: str
    template: TemplateName
    template_digest: str = Field(description="digest of the template's version and rendered probe")
    counts: dict[str, int] = Field(description="lines of each file")


def export_file(export_format: ExportFormat, split: str) -> str:
    """Return the file name of one format and split."""
    return f"{export_format}.{split}.jsonl"
