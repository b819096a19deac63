"""Where the rows of a dataset version came from, and why other records became none."""

from dataclasses import dataclass

from tunix_ml.contracts.manifest import Counts
from tunix_ml.registry.pages import links
from tunix_ml.registry.pages.card import MAX_NAME_CHARS, MAX_ROWS, MAX_TEXT_CHARS, Source
from tunix_ml.registry.pages.published_sets import LeftOut, PublishedDataset
from tunix_ml.registry.pages.text import cut


@dataclass(frozen=True, kw_only=True)
class RowsView:
    """All that the page shows."""

    name: str
    card: str
    counts: Counts
    equation: str
    num_redacted: int
    sources: tuple[Source, ...]
    left_out: tuple[LeftOut, ...]
    num_not_shown: int
    example: str


def rows_view(dataset: PublishedDataset) -> RowsView:
    """Return the view of a dataset version's rows: their sources, and the first records left out."""
    manifest, counts = dataset.manifest, dataset.manifest.counts()
    return RowsView(
        name=dataset.name,
        card=links.dataset_page(dataset.name),
        counts=counts,
        equation=_equation(counts),
        num_redacted=manifest.redacted_count,
        sources=tuple(
            Source(cut(source.name, most=MAX_NAME_CHARS), source.num_records, source.sha256)
            for source in manifest.sources[:MAX_ROWS]
        ),
        left_out=tuple(map(_shown, dataset.left_out)),
        num_not_shown=counts.read - counts.kept - len(dataset.left_out),
        example=dataset.traces[0].trace_id if dataset.traces else "",
    )


def _equation(counts: Counts) -> str:
    return (
        f"{counts.read:,} read = {counts.kept:,} kept + {counts.rejected:,} rejected"
        f" + {counts.filtered:,} filtered + {counts.duplicates:,} duplicates"
    )


def _shown(row: LeftOut) -> LeftOut:
    source = cut(row.source, most=MAX_NAME_CHARS)
    return LeftOut(source, row.line, row.reason, cut(row.detail, most=MAX_TEXT_CHARS))
