"""Render a dataset version as JSONL in the three export formats, one file per format and split."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from tunix_ml.contracts.export import (
    EXPORT_FORMATS,
    ExportConfig,
    ExportFormat,
    ExportManifest,
    TraceExport,
    TrainingExample,
    TunixSftExport,
    export_file,
)
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
from tunix_ml.datasets.read import read_dataset
from tunix_ml.exports.templates import Template, template
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

_WRITE_BYTES = 1 << 18
Exported = TraceExport | TunixSftExport | TrainingExample


def code_version() -> str:
    """Return the digest of the source code that renders and tokenizes."""
    return source_digest("contracts", "exports")


def render_dataset(
    store: Store, dataset_version: str, config: ExportConfig, *, dataset_digest: str | None = None
) -> Snapshot:
    """Write every trace of a dataset version once in each format and publish the files.

    Raises:
        NotPublished: the dataset version is not published (with this digest).
    """
    dataset = read_dataset(store, dataset_version, digest=dataset_digest)
    chosen = template(config.template)
    parents = {"dataset": dataset.snapshot.digest}
    slot = store.slot("sft_export", dataset_version)
    with slot.publish(parents=parents, code_version=code_version()) as draft:
        counts = _write_files(draft.path, dataset.stream(), chosen)
        manifest = ExportManifest(
            dataset_version=dataset_version,
            dataset_digest=dataset.snapshot.digest,
            template=config.template,
            template_digest=chosen.digest(),
            counts=counts,
        )
        (draft.path / "export.json").write_bytes(manifest.to_json())
    return draft.snapshot


def training_example(row: DatasetTrace, chosen: Template) -> TrainingExample:
    """Return what the model reads and what it learns to write, for one trace."""
    steps = [step.content for step in row.trace.steps]
    return TrainingExample(
        id=row.trace_id,
        prompt=chosen.prompt_text(row.trace.prompt),
        response=chosen.completion_text(steps, row.trace.final_answer),
        metadata={"source_trace_id": row.trace_id, "split": row.split, "template": chosen.name},
    )


def read_export(snapshot: Snapshot, export_format: ExportFormat, split: str) -> list[dict[str, Any]]:
    """Read one file of a published export back, as plain records in the file's order."""
    return list(export_records(snapshot, export_format, split))


def export_records(snapshot: Snapshot, export_format: ExportFormat, split: str) -> Iterator[dict[str, Any]]:
    """Yield the records of one file of a published export, in the file's order."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return (decode(line) for line in export_lines(snapshot, export_format, split))


def export_lines(snapshot: Snapshot, export_format: ExportFormat, split: str) -> Iterator[bytes]:
    """Yield the lines of one file of a published export, without their line ends."""
    with snapshot.file(export_file(export_format, split)).open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def _write_files(directory: Path, rows: Iterable[DatasetTrace], chosen: Template) -> dict[str, int]:
    renderers: dict[ExportFormat, Callable[[DatasetTrace], Exported]] = {
        "trace": _trace_export,
        "tunix_sft": _tunix_sft_export,
        "training_example": lambda row: training_example(row, chosen),
    }
    encode = msgspec.json.Encoder().encode
    with ExitStack() as stack:
        files = {
            (export_format, split): stack.enter_context(
                (directory / export_file(export_format, split)).open("wb", buffering=_WRITE_BYTES)
            )
            for export_format in EXPORT_FORMATS
            for split in SPLITS
        }
        counts = {export_file(*key): 0 for key in files}
        for row in rows:
            for export_format, render in renderers.items():
                files[export_format, row.split].write(encode(render(row)) + b"\n")
                counts[export_file(export_format, row.split)] += 1
    return counts


def _trace_export(row: DatasetTrace) -> TraceExport:
    return TraceExport(
        id=row.trace_id,
        prompts=row.trace.prompt,
        trace_steps=tuple(step.content for step in row.trace.steps),
        final_answer=row.trace.final_answer,
        metadata=_metadata(row),
    )


def _tunix_sft_export(row: DatasetTrace) -> TunixSftExport:
    numbered = "".join(f"{i}. {step.content}\n" for i, step in enumerate(row.trace.steps, start=1))
    dialogue = (
        f"<start_of_turn>user\n{row.trace.prompt}<end_of_turn>\n"
        f"<start_of_turn>model\nReasoning:\n{numbered}Answer: {row.trace.final_answer}<end_of_turn>"
    )
    return TunixSftExport(
        id=row.trace_id,
        prompts=dialogue,
        final_answer=row.trace.final_answer,
        metadata={**_metadata(row), "format": "tunix_sft"},
    )


def _metadata(row: DatasetTrace) -> dict[str, Any]:
    """Return what the format has no place for, so that ingesting the export gives the same trace again."""
    return {
        "trace_version": row.trace.trace_version,
        "split": row.split,
        "step_indices": [step.i for step in row.trace.steps],
        "step_types": [step.type for step in row.trace.steps],
        "meta": row.trace.meta,
    }
