"""A dry run of a recipe: what would be kept, left out and rejected; nothing is written."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from tunix_ml.contracts.recipe import DatasetRecipe, VersionsSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.selection import Filtered
from tunix_ml.contracts.trace import SPLITS, DatasetTrace
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.origin import records
from tunix_ml.datasets.redaction import clean_trace, refused_record, withhold_excerpt
from tunix_ml.datasets.selection import open_selection, selected_rows
from tunix_ml.datasets.splits import assign_split
from tunix_ml.store import Store
from tunix_ml.traces.decode import LineError

_SHOWN_CHARACTERS = 300
_FEW_QUESTIONS = 10


class Preview(NamedTuple):
    """What a recipe gives: counts over all that was read, and the first of each kind."""

    dataset_version: str
    num_read: int
    num_kept: int
    is_whole: bool
    max_reject_rate: float
    splits: dict[str, int]
    reject_codes: dict[str, int]
    filter_reasons: dict[str, int]
    rows: list[DatasetTrace]
    rejects: list[Reject]
    filtered: list[Filtered]

    @property
    def num_rejected(self) -> int:
        """Records that are no valid trace."""
        return sum(self.reject_codes.values())

    @property
    def num_asked(self) -> int:
        """Rows of the test split, which a model will be asked."""
        return self.splits.get("test", 0)

    @property
    def is_refused(self) -> bool:
        """Whether a build would refuse what was read."""
        rate = self.num_rejected / max(self.num_read, 1)
        return self.num_kept == 0 or rate > self.max_reject_rate

    def record(self) -> dict[str, Any]:
        """Return the preview as plain values, for JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self._asdict())
        return plain | {"num_rejected": self.num_rejected, "is_refused": self.is_refused}


def preview_recipe(
    entry: CatalogEntry,
    store: Store,
    *,
    num_rows: int = 10,
    num_rejects: int = 20,
    max_records: int | None = None,
) -> Preview:
    """Read a recipe's source as a build would, at most `max_records` of it, and publish nothing.

    Raises:
        TunixError: the source cannot be read.
    """
    rows: list[DatasetTrace] = []
    rejects: list[Reject] = []
    filtered: list[Filtered] = []
    splits, codes, reasons = Counter[str](), Counter[str](), Counter[str]()
    num_read, is_whole = 0, True
    for record in _records(entry, store):
        if num_read == max_records:
            is_whole = False
            break
        num_read += 1
        if isinstance(record, DatasetTrace):
            splits[record.split] += 1
            _add(rows, record, most=num_rows)
        elif isinstance(record, Reject):
            codes[record.code] += 1
            _add(rejects, record, most=num_rejects)
        else:
            reasons[record.reason] += 1
            _add(filtered, record, most=num_rejects)
    return Preview(
        dataset_version=entry.dataset_version,
        num_read=num_read,
        num_kept=splits.total(),
        is_whole=is_whole,
        max_reject_rate=entry.recipe.max_reject_rate,
        splits={name: splits[name] for name in SPLITS if name in splits},
        reject_codes=dict(sorted(codes.items())),
        filter_reasons=dict(sorted(reasons.items())),
        rows=rows,
        rejects=rejects,
        filtered=filtered,
    )


def describe_preview(preview: Preview) -> str:
    """Return a preview as text for a person."""
    return "\n".join(
        [
            *(line for number, row in enumerate(preview.rows, start=1) for line in _shown_row(number, row)),
            *_shown_problems("rejected", preview.reject_codes, _shown_rejects(preview.rejects)),
            *_shown_problems("left out", preview.filter_reasons, _shown_filtered(preview.filtered)),
            _totals(preview),
            *_verdict(preview),
        ]
    )


def _records(entry: CatalogEntry, store: Store) -> Iterator[DatasetTrace | Reject | Filtered]:
    for item in _found(entry, store):
        yield item if entry.recipe.redact is None else _cleaned(item, entry.recipe)


def _cleaned(
    item: DatasetTrace | Reject | Filtered, recipe: DatasetRecipe
) -> DatasetTrace | Reject | Filtered:
    """Return what a build would make of a record, as far as secrets and personal data go."""
    redaction = recipe.redact
    if redaction is None or isinstance(item, Filtered):
        return item
    if isinstance(item, Reject):
        return withhold_excerpt(item)
    try:
        trace = clean_trace(item.trace, redaction).trace
    except LineError as error:
        return refused_record(item.trace, error, source=item.source, line=item.source_line)
    is_kept = isinstance(recipe.source, VersionsSource)
    split = item.split if is_kept else assign_split(trace.prompt, recipe.splits)
    return DatasetTrace(trace.trace_id(), split, trace, item.source, item.source_line)


def _found(entry: CatalogEntry, store: Store) -> Iterator[DatasetTrace | Reject | Filtered]:
    source, shares, base_dir = entry.recipe.source, entry.recipe.splits, entry.path.parent
    if isinstance(source, VersionsSource):
        yield from selected_rows(open_selection(source, store, base_dir=base_dir), shares=shares)
        return
    for item in records(source, base_dir=base_dir):
        if isinstance(item, Reject):
            yield item
        else:
            split = assign_split(item.trace.prompt, shares)
            yield DatasetTrace(item.trace_id, split, item.trace, item.source, item.line)


def _add(shown: list[Any], record: Any, *, most: int) -> None:
    if len(shown) < most:
        shown.append(record)


def _shown_row(number: int, row: DatasetTrace) -> Iterator[str]:
    yield f"{number}. {row.split} · {row.source} line {row.source_line}"
    yield f"   prompt: {_short(row.trace.prompt)}"
    for step in row.trace.steps:
        yield f"   step {step.i}: {_short(step.content)}"
    yield f"   answer: {_short(row.trace.final_answer)}"
    if row.trace.meta:
        yield f"   meta: {_short(json.dumps(row.trace.meta, ensure_ascii=False))}"
    yield ""


def _shown_problems(title: str, counts: dict[str, int], shown: list[str]) -> Iterator[str]:
    if counts:
        total = sum(counts.values())
        yield f"{total:,} {title}: " + ", ".join(f"{count:,} {code}" for code, count in counts.items())
        yield from shown
        if total > len(shown):
            yield f"  … and {total - len(shown):,} more"
        yield ""


def _shown_rejects(rejects: list[Reject]) -> list[str]:
    return [f"  {reject.source} line {reject.line}: {reject.code}: {reject.message}" for reject in rejects]


def _shown_filtered(filtered: list[Filtered]) -> list[str]:
    return [f"  {row.source} line {row.line}: {row.reason}: {_short(row.detail)}" for row in filtered]


def _totals(preview: Preview) -> str:
    splits = ", ".join(f"{count:,} {split}" for split, count in preview.splits.items()) or "none"
    read = f"{preview.num_read:,} records read" + ("" if preview.is_whole else " and more not read")
    num_filtered = sum(preview.filter_reasons.values())
    return (
        f"{preview.dataset_version}: {read} = {preview.num_kept:,} kept ({splits})"
        f" + {preview.num_rejected:,} rejected + {num_filtered:,} left out"
    )


def _verdict(preview: Preview) -> Iterator[str]:
    if preview.is_refused:
        yield f"A build would be refused: {_refusal(preview)}"
    elif preview.is_whole and preview.num_asked < _FEW_QUESTIONS:
        yield (
            f"The test split has {preview.num_asked:,} of the {preview.num_kept:,} rows: a score on so few"
            " says little, and the recipe's `splits` can give it more"
        )


def _refusal(preview: Preview) -> str:
    if not preview.num_read:
        return "there is nothing in its source"
    if not preview.num_kept:
        return "no row is kept"
    rate = preview.num_rejected / preview.num_read
    return (
        f"{rate:.2%} rejected, the recipe allows {preview.max_reject_rate:.2%}; mend the lines, or set"
        f" `max_reject_rate: {math.ceil(rate * 1000) / 1000}`"
    )


def _short(text: str) -> str:
    # Escaped, so that no text of a source reaches the terminal as a command.
    line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return (
        line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}… ({len(text):,} characters)"
    )
