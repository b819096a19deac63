"""The traces of a dataset version as JSONL, and as CSV for a spreadsheet; one file for each split."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
from tunix_ml.datasets.front_matter import SplitSize
from tunix_ml.datasets.published_rows import published_rows
from tunix_ml.snapshot import Snapshot

_CSV_COLUMNS = ("trace_id", "prompt", "steps", "final_answer", "meta", "source", "source_line")
# What a spreadsheet takes for the start of a formula, also behind white space.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_jsonl(draft: Path, snapshot: Snapshot, manifest: DatasetManifest) -> dict[str, SplitSize]:
    """Write `<split>.jsonl` with raw traces, which a recipe of format `trace` reads again."""
    encode = msgspec.json.Encoder().encode

    def opened(stack: ExitStack, path: Path) -> Callable[[DatasetTrace], Any]:
        file = stack.enter_context(path.open("wb"))
        return lambda row: file.write(encode(row.trace) + b"\n")

    return _write(draft, snapshot, manifest, suffix=".jsonl", opened=opened)


def write_csv(draft: Path, snapshot: Snapshot, manifest: DatasetManifest) -> dict[str, SplitSize]:
    """Write `<split>.csv` for people: no cell can act as a formula, so a text may gain an apostrophe."""

    def opened(stack: ExitStack, path: Path) -> Callable[[DatasetTrace], Any]:
        file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
        writer = csv.writer(file)
        writer.writerow(_CSV_COLUMNS)
        return lambda row: writer.writerow(map(safe_cell, _cells(row)))

    return _write(draft, snapshot, manifest, suffix=".csv", opened=opened)


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe goes before one that might be."""
    is_formula = text.startswith(_FORMULA_STARTS) or text.lstrip().startswith(_FORMULA_STARTS)
    return f"'{text}" if is_formula else text


def _cells(row: DatasetTrace) -> Iterator[str]:
    trace = row.trace
    meta = "" if trace.meta is None else json.dumps(trace.meta, ensure_ascii=False)
    steps = "\n".join(step.content for step in trace.steps)
    yield from (row.trace_id, trace.prompt, steps, trace.final_answer, meta, row.source, str(row.source_line))


def _write(
    draft: Path,
    snapshot: Snapshot,
    manifest: DatasetManifest,
    *,
    suffix: str,
    opened: Callable[[ExitStack, Path], Callable[[DatasetTrace], Any]],
) -> dict[str, SplitSize]:
    splits = [split for split in SPLITS if manifest.splits.get(split)]
    paths = {split: draft / f"{split}{suffix}" for split in splits}
    with ExitStack() as stack:
        write = {split: opened(stack, path) for split, path in paths.items()}
        for row in published_rows(snapshot):
            write[row.split](row)
    sizes = {split: path.stat().st_size for split, path in paths.items()}
    return {
        split: SplitSize(manifest.splits[split], sizes[split], sizes[split], paths[split].name)
        for split in paths
    }
