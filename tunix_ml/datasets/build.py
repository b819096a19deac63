"""Build a dataset version: read or generate, validate, split, publish."""

import shutil
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.manifest import MAX_LISTED_TRACE_IDS, DatasetManifest, SourceFile
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.contracts.recipe import GeneratorSource, UngarSource, VersionsSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import SPLITS
from tunix_ml.datasets.card import render_card
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.code_version import code_version
from tunix_ml.datasets.identities import dataset_digest
from tunix_ml.datasets.origin import describe
from tunix_ml.datasets.selection import (
    Selection,
    describe_selection,
    open_selection,
    parents,
    selection_fields,
)
from tunix_ml.datasets.tally import NUM_NAMED_REJECTS, Tally
from tunix_ml.draft import Draft
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store
from tunix_ml.traces.generators.catalog import GENERATOR_VERSIONS

_BATCH_ROWS = 20_000
_REPORT_EVERY = 50_000
_REJECTS = "rejects.parquet"
_MAY_DIFFER = ("sources", "recipe_digest", "reject_count", "description", "license")


class DatasetRefused(TunixError):
    """A build read its source but may not become a dataset version."""


def build_dataset(
    store: Store, entry: CatalogEntry, *, report: Callable[[str], None], num_workers: int | None = None
) -> Snapshot:
    """Make one dataset version of the catalog and publish it.

    Content and digest are the same for any number of worker processes; without a number it is chosen by the
    size of the source.

    Raises:
        DatasetRefused: no valid trace was found, or more lines were rejected than the recipe allows; the
            rejected lines are then in the store's `rejects` table under the same key.
        VersionConflict: the version is published with other content.
        SourceError: the source cannot be read.
    """
    from tunix_ml.datasets.cluster_splits import regroup_splits  # noqa: PLC0415 - not at the load of the definitions
    from tunix_ml.datasets.write_rows import Sink, write_rows  # noqa: PLC0415

    slot, tally = store.slot("dataset", entry.dataset_version), Tally()
    source = entry.recipe.source
    selection = (
        open_selection(source, store, base_dir=entry.path.parent)
        if isinstance(source, VersionsSource)
        else None
    )
    origins = parents(selection) if selection else {}
    tell = _Progress(entry.dataset_version, tally, report).tell
    with tempfile.TemporaryDirectory() as copies:
        with slot.publish(parents=origins, code_version=code_version(), immutable=True) as draft:
            with Sink(
                draft.path, tally, tell=tell, group_rows=_BATCH_ROWS, redaction=entry.recipe.redact
            ) as sink:
                write_rows(entry, sink, selection=selection, num_workers=num_workers)
            try:
                _refuse_if_unfit(entry, tally)
            except DatasetRefused:
                _publish_rejects(store, entry, draft.path)
                raise
            if entry.recipe.split_by == "near_duplicates":
                regroup_splits(draft.path / "traces.parquet", tally, shares=entry.recipe.splits)
            manifest = _write_record(draft, entry, tally, selection)
            _copy_rejects(draft.path, Path(copies))
        _tell_adoption(store, entry, Path(copies), draft.snapshot, manifest, report)
    return draft.snapshot


@dataclass
class _Progress:
    """Tells how far a build is, every so many records."""

    dataset_version: str
    tally: Tally
    report: Callable[[str], None]
    num_told: int = 0

    def tell(self) -> None:
        while self.num_told + _REPORT_EVERY <= self.tally.read:
            self.num_told += _REPORT_EVERY
            self.report(
                f"{self.dataset_version}: {self.num_told:,} records read, {self.tally.rejected:,} rejected"
            )


def _refuse_if_unfit(entry: CatalogEntry, tally: Tally) -> None:
    rate = tally.rejected / max(tally.read, 1)
    if rate > entry.recipe.max_reject_rate:
        raise DatasetRefused(
            f"{entry.dataset_version}: {tally.rejected} of {tally.read} records rejected"
            f" ({rate:.2%}), the recipe allows {entry.recipe.max_reject_rate:.2%}:\n"
            + name_rejects(tally.first_rejects, count=tally.rejected)
            + f"\nall of them are in the table `rejects` under {entry.dataset_version}"
        )
    if not tally.kept:
        raise DatasetRefused(
            f"{entry.dataset_version} is empty: {tally.read} records read, none is a valid trace"
        )


def name_rejects(rejects: list[Reject], *, count: int | None = None) -> str:
    """Return one line for each of the first rejects: file, line, code and message; `count` is of all."""
    lines = [
        f"  {reject.source} line {reject.line}: {reject.code}: {reject.message}"
        for reject in rejects[:NUM_NAMED_REJECTS]
    ]
    more = (len(rejects) if count is None else count) - NUM_NAMED_REJECTS
    if more > 0:
        lines.append(f"  … and {more} more")
    return "\n".join(lines)


def _publish_rejects(store: Store, entry: CatalogEntry, folder: Path) -> None:
    with store.slot("rejects", entry.dataset_version).publish(code_version=code_version()) as draft:
        _copy_rejects(folder, draft.path)


def _copy_rejects(folder: Path, target: Path) -> None:
    shutil.copyfile(folder / _REJECTS, target / _REJECTS)


def _tell_adoption(
    store: Store,
    entry: CatalogEntry,
    copies: Path,
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
        _publish_rejects(store, entry, copies)
        report(
            f"{entry.dataset_version} has the same traces as when it was published and stays as it is, though"
            f" {', '.join(differing)} differ now; this build's rejects are in the table `rejects`"
        )


def _write_record(
    draft: Draft, entry: CatalogEntry, tally: Tally, selection: Selection | None
) -> DatasetManifest:
    manifest = _manifest(entry, tally, selection)
    (draft.path / "manifest.json").write_bytes(manifest.to_json())
    (draft.path / "README.md").write_text(render_card(manifest), encoding="utf-8")
    draft.content_digest = manifest.dataset_digest
    return manifest


def _manifest(entry: CatalogEntry, tally: Tally, selection: Selection | None) -> DatasetManifest:
    name = parse_dataset_version(entry.dataset_version)
    digest = dataset_digest(tally.row_digests)
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
        trace_ids=tuple(tally.first_ids) if tally.kept <= MAX_LISTED_TRACE_IDS else (),
        trace_count=tally.kept,
        stats=_stats(tally),
        splits={split: tally.splits[split] for split in SPLITS},
        read_count=tally.read,
        reject_count=tally.rejected,
        duplicate_count=tally.codes["duplicate_trace"],
        filtered_count=tally.filtered,
        redacted_count=tally.redacted,
        split_by=entry.recipe.split_by,
        sources=_sources(entry, tally, selection),
        recipe_digest=entry.recipe.digest(),
        generator_version=GENERATOR_VERSIONS[generated.generator] if generated else None,
        code_version=code_version(),
        **_request(entry),
    )


def _sources(entry: CatalogEntry, tally: Tally, selection: Selection | None) -> tuple[SourceFile, ...]:
    source, counts = entry.recipe.source, tally.records_by_source
    if selection is not None:
        return describe_selection(selection, num_records=counts)
    assert not isinstance(source, VersionsSource)  # noqa: S101 - such a recipe has a selection
    return describe(source, base_dir=entry.path.parent, num_records=counts)


def _request(entry: CatalogEntry) -> dict[str, Any]:
    """Return the manifest's fields that say what was asked for."""
    source = entry.recipe.source
    if isinstance(source, VersionsSource):
        return selection_fields(source)
    return {"seed": source.seed if isinstance(source, GeneratorSource | UngarSource) else None}


def _stats(tally: Tally) -> dict[str, Any]:
    return {
        "families": dict(sorted(tally.families.items())),
        "prompt_chars": tally.prompt_chars.summary(),
        "num_steps": tally.num_steps.summary(),
        "reject_codes": dict(sorted(tally.codes.items())),
        **({"redactions": dict(sorted(tally.redactions.items()))} if tally.redactions else {}),
    }
