"""Where a recipe's rows come from: one door to every kind of source, for a build and for a preview."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tunix_ml.contracts.manifest import SourceFile
from tunix_ml.contracts.recipe import GeneratorSource, JsonlSource, RowsSource, UngarSource
from tunix_ml.contracts.reject import Reject
from tunix_ml.traces.generators.catalog import generate
from tunix_ml.traces.ingest import Ingested, describe_sources, ingest
from tunix_ml.traces.ingest_rows import describe_tables, ingest_rows
from tunix_ml.traces.ungar import ungar_traces


def records(source: RowsSource, *, base_dir: Path) -> Iterator[Ingested | Reject]:
    """Yield a trace or a reject for each record of a source that reads or computes its rows.

    Raises:
        ContractError: the source cannot be read, or its generator is not known.
    """
    if isinstance(source, GeneratorSource | UngarSource):
        traces = generate(source) if isinstance(source, GeneratorSource) else ungar_traces(source)
        for index, trace in enumerate(traces, start=1):
            yield Ingested(trace, trace.trace_id(), _computed_name(source), index)
    elif isinstance(source, JsonlSource):
        yield from ingest(source, base_dir=base_dir)
    else:
        yield from ingest_rows(source, base_dir=base_dir)


def describe(source: RowsSource, *, base_dir: Path, num_records: Mapping[str, int]) -> tuple[SourceFile, ...]:
    """Return the manifest's entries of a source; `num_records` by source name is what `records` yielded."""
    if isinstance(source, GeneratorSource | UngarSource):
        name = _computed_name(source)
        count = num_records.get(name, 0)
        return (SourceFile(name=name, sha256=source.digest(), num_bytes=0, num_records=count),)
    if isinstance(source, JsonlSource):
        return describe_sources(source, base_dir=base_dir, num_records=num_records)
    return describe_tables(source, base_dir=base_dir, num_records=num_records)


def _computed_name(source: GeneratorSource | UngarSource) -> str:
    return f"generator:{source.generator}" if isinstance(source, GeneratorSource) else f"ungar:{source.game}"
