"""Build a dataset version: read or generate, validate, split, publish."""

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_ml.contracts import reject as rejects_table
from tunix_ml.contracts import trace as traces_table
from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.canonical import set_digest
from tunix_ml.contracts.manifest import DatasetManifest, SourceFile
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.recipe import GeneratorSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA, DatasetTrace
from tunix_ml.datasets.card import render_card
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.splits import assign_split
from tunix_ml.parquet import write_batches, write_table
from tunix_ml.store import Draft, Snapshot, Store
from tunix_ml.traces.generators.catalog import GENERATOR_VERSIONS, generate
from tunix_ml.traces.ingest import Ingested, describe_sources, ingest

if TYPE_CHECKING:
    import pyarrow as pa

Record = Ingested | Reject
_BATCH_ROWS = 2_000
_REPORT_EVERY = 50_000
_NAMED_REJECTS = 20
_MAY_DIFFER = ("sources", "recipe_digest", "reject_count", "description", "license")


class DatasetRefused(TunixError):
    """A build read its source but may not become a dataset version."""


def build_dataset(store: Store, entry: CatalogEntry, *, report: Callable[[str], None]) -> Snapshot:
    """Make one dataset version of the catalog and publish it.

    Raises:
        DatasetRefused: no valid trace was found, or more lines were rejected than the recipe allows; the
            rejected lines are then in the store's `rejects` table under the same key.
        VersionConflict: the version is published with other content.
        SourceError: the source cannot be read.
    """
    slot = store.slot("dataset", entry.dataset_version)
    with slot.publish(code_version=code_version(), immutable=True) as draft:
        tally = _Tally()
        batches = _batches(_kept(entry, tally, report))
        write_batches(batches, draft.path / "traces.parquet", schema=TRACES_SCHEMA.arrow())
        try:
            _refuse_if_unfit(entry, tally)
        except DatasetRefused:
            _publish_rejects(store, entry, tally)
            raise
        manifest = _write_record(draft, entry, tally)
    _tell_adoption(store, entry, tally, draft.snapshot, manifest, report)
    return draft.snapshot


@dataclass
class _Tally:
    """What a build has seen so far."""

    trace_ids: list[str] = field(default_factory=list)
    row_digests: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    prompt_chars: list[int] = field(default_factory=list)
    num_steps: list[int] = field(default_factory=list)
    records_by_source: Counter[str] = field(default_factory=Counter)

    @property
    def read_count(self) -> int:
        return len(self.trace_ids) + len(self.rejects)

    def keep(self, row: DatasetTrace) -> None:
        self.trace_ids.append(row.trace_id)
        self.row_digests.append(row.row_digest())
        self.splits[row.split] += 1
        self.families[row.trace.family()] += 1
        self.prompt_chars.append(len(row.trace.prompt))
        self.num_steps.append(len(row.trace.steps))


def _kept(entry: CatalogEntry, tally: _Tally, report: Callable[[str], None]) -> Iterator[DatasetTrace]:
    for number, record in enumerate(_records(entry), start=1):
        tally.records_by_source[record.source] += 1
        if number % _REPORT_EVERY == 0:
            report(f"{entry.dataset_version}: {number:,} records read, {len(tally.rejects):,} rejected")
        if isinstance(record, Reject):
            tally.rejects.append(record)
            continue
        split = assign_split(record.trace.prompt, entry.recipe.splits)
        row = DatasetTrace(record.trace_id, split, record.trace, record.source, record.line)
        tally.keep(row)
        yield row


def _records(entry: CatalogEntry) -> Iterator[Record]:
    source = entry.recipe.source
    if isinstance(source, GeneratorSource):
        name = f"generator:{source.generator}"
        for index, trace in enumerate(generate(source), start=1):
            yield Ingested(trace, trace.trace_id(), name, index)
    else:
        yield from ingest(source, base_dir=entry.path.parent)


def _batches(rows: Iterator[DatasetTrace]) -> Iterator["pa.Table"]:
    while batch := list(itertools.islice(rows, _BATCH_ROWS)):
        yield traces_table.to_table(batch)


def _refuse_if_unfit(entry: CatalogEntry, tally: _Tally) -> None:
    rate = len(tally.rejects) / max(tally.read_count, 1)
    if rate > entry.recipe.max_reject_rate:
        raise DatasetRefused(
            f"{entry.dataset_version}: {len(tally.rejects)} of {tally.read_count} records rejected"
            f" ({rate:.2%}), the recipe allows {entry.recipe.max_reject_rate:.2%}:\n"
            + name_rejects(tally.rejects)
            + f"\nall of them are in the table `rejects` under {entry.dataset_version}"
        )
    if not tally.trace_ids:
        raise DatasetRefused(
            f"{entry.dataset_version} is empty: {tally.read_count} records read, none is a valid trace"
        )


def name_rejects(rejects: list[Reject]) -> str:
    """Return one line for each of the first rejects: file, line, code and message."""
    lines = [
        f"  {reject.source} line {reject.line}: {reject.code}: {reject.message}"
        for reject in rejects[:_NAMED_REJECTS]
    ]
    if len(rejects) > _NAMED_REJECTS:
        lines.append(f"  … and {len(rejects) - _NAMED_REJECTS} more")
    return "\n".join(lines)


def _publish_rejects(store: Store, entry: CatalogEntry, tally: _Tally) -> None:
    with store.slot("rejects", entry.dataset_version).publish(code_version=code_version()) as draft:
        _write_rejects(draft.path, tally)


def _write_rejects(directory: Path, tally: _Tally) -> None:
    write_table(rejects_table.to_table(tally.rejects), directory / "rejects.parquet")


def _tell_adoption(
    store: Store,
    entry: CatalogEntry,
    tally: _Tally,
    published: Snapshot,
    made: DatasetManifest,
    report: Callable[[str], None],
) -> None:
    """Say, and keep, what this build found that the content adopted from an earlier one does not have.

    The traces are the same, so the version is; but its source may have gained a line that is no trace.
    """
    kept = DatasetManifest.read(published.file("manifest.json"))
    differing = [name for name in _MAY_DIFFER if getattr(kept, name) != getattr(made, name)]
    if differing:
        _publish_rejects(store, entry, tally)
        report(
            f"{entry.dataset_version} has the same traces as when it was published and stays as it is, though"
            f" {', '.join(differing)} differ now; this build's rejects are in the table `rejects`"
        )


def _write_record(draft: Draft, entry: CatalogEntry, tally: _Tally) -> DatasetManifest:
    manifest = _manifest(entry, tally)
    _write_rejects(draft.path, tally)
    (draft.path / "manifest.json").write_bytes(manifest.to_json())
    (draft.path / "README.md").write_text(render_card(manifest), encoding="utf-8")
    draft.content_digest = manifest.dataset_digest
    return manifest


def _manifest(entry: CatalogEntry, tally: _Tally) -> DatasetManifest:
    name = parse_dataset_version(entry.dataset_version)
    digest = set_digest(tally.row_digests)
    source = entry.recipe.source
    generated = source if isinstance(source, GeneratorSource) else None
    return DatasetManifest(
        dataset_key=entry.dataset_version,
        dataset_name=name.name,
        dataset_version=name.version,
        dataset_digest=digest,
        build_id=uuid.uuid5(uuid.NAMESPACE_OID, digest),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        description=entry.recipe.description,
        license=entry.recipe.license,
        seed=generated.seed if generated else None,
        trace_ids=tuple(tally.trace_ids),
        trace_count=len(tally.trace_ids),
        stats=_stats(tally),
        splits={split: tally.splits[split] for split in SPLITS},
        read_count=tally.read_count,
        reject_count=len(tally.rejects),
        sources=_sources(entry, tally),
        recipe_digest=entry.recipe.digest(),
        generator_version=GENERATOR_VERSIONS[generated.generator] if generated else None,
        code_version=code_version(),
    )


def _sources(entry: CatalogEntry, tally: _Tally) -> tuple[SourceFile, ...]:
    source = entry.recipe.source
    if isinstance(source, GeneratorSource):
        name = f"generator:{source.generator}"
        return (SourceFile(name=name, sha256=source.digest(), num_bytes=0, num_records=tally.read_count),)
    return describe_sources(source, base_dir=entry.path.parent, num_records=tally.records_by_source)


def _stats(tally: _Tally) -> dict[str, Any]:
    return {
        "families": dict(sorted(tally.families.items())),
        "prompt_chars": _spread(tally.prompt_chars),
        "num_steps": _spread(tally.num_steps),
        "reject_codes": dict(sorted(Counter(reject.code for reject in tally.rejects).items())),
    }


def _spread(values: list[int]) -> dict[str, float]:
    if not values:
        raise ContractError("lengths of an empty dataset have no spread")
    return {"min": min(values), "mean": round(sum(values) / len(values), 3), "max": max(values)}
