"""A dataset version as a folder for others: Parquet with a card for Hugging Face, JSONL, or CSV."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import SPLITS, TRACES_SCHEMA
from tunix_ml.datasets.card_facts import CardFacts, collect_facts, render_full_card
from tunix_ml.datasets.front_matter import SplitSize, front_matter
from tunix_ml.datasets.plain_files import write_csv, write_jsonl
from tunix_ml.durable import plain_files, sync_tree
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

ExportFolderFormat = Literal["huggingface", "jsonl", "csv"]
SHARD_ROWS = 250_000
_BATCH_ROWS = 10_000
_COLUMNS = tuple(column for column in TRACES_SCHEMA if column.name != "split")


def export_dataset(
    store: Store,
    dataset_version: str,
    folder: Path,
    *,
    export_format: ExportFolderFormat = "huggingface",
    digest: str | None = None,
) -> dict[str, int]:
    """Write a published dataset version into a new folder, whole or not at all; return the size of each file.

    A split without traces has no file. A recipe can read Parquet and JSONL again and gets the same traces.

    Raises:
        ContractError: the folder is there already.
        NotPublished: the version has not been materialized, or not with this digest.
    """
    if folder.exists():
        raise ContractError(f"{folder} is there already: name a folder that is to be made")
    snapshot = store.slot("dataset", dataset_version).resolve(digest)
    facts = collect_facts(store, snapshot)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.tmp-{uuid.uuid4().hex}"
    try:
        draft.mkdir()
        _write(draft, snapshot, facts, export_format)
        sync_tree(draft)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in plain_files(folder)}


def _write(draft: Path, snapshot: Snapshot, facts: CardFacts, export_format: ExportFolderFormat) -> None:
    writers: dict[ExportFolderFormat, Callable[[Path, Snapshot, DatasetManifest], dict[str, SplitSize]]] = {
        "huggingface": _write_parquet,
        "jsonl": write_jsonl,
        "csv": write_csv,
    }
    sizes = writers[export_format](draft, snapshot, facts.manifest)
    columns = _COLUMNS if export_format == "huggingface" else None
    head = front_matter(facts.manifest, sizes, columns)
    (draft / "README.md").write_text(f"{head}\n{render_full_card(facts)}", encoding="utf-8")


def _write_parquet(draft: Path, snapshot: Snapshot, manifest: DatasetManifest) -> dict[str, SplitSize]:
    (draft / "data").mkdir()
    splits = [split for split in SPLITS if manifest.splits.get(split)]
    return {split: _write_split(draft, snapshot, split, manifest.splits[split]) for split in splits}


def _write_split(draft: Path, snapshot: Snapshot, split: str, num_rows: int) -> SplitSize:
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    num_shards = -(-num_rows // SHARD_ROWS)
    num_bytes = written = 0
    with ExitStack() as stack:
        writer = None
        for table in _tables(snapshot, split):
            if writer is None or written % SHARD_ROWS == 0:
                stack.close()
                path = draft / "data" / f"{split}-{written // SHARD_ROWS:05}-of-{num_shards:05}.parquet"
                writer = stack.enter_context(
                    pq.ParquetWriter(path, table.schema, compression="zstd", write_page_checksum=True)
                )
            writer.write_table(table)
            num_bytes += table.nbytes
            written += table.num_rows
    files = list((draft / "data").glob(f"{split}-*.parquet"))
    return SplitSize(
        written, num_bytes, sum(path.stat().st_size for path in files), f"data/{split}-*.parquet"
    )


def _tables(snapshot: Snapshot, split: str) -> Iterator["pa.Table"]:
    """Yield the rows of a split in order, cut so that a table never lies in two shards."""
    import pyarrow as pa  # noqa: PLC0415 - not at the load of the definitions
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    position = 0
    with pq.ParquetFile(snapshot.file("traces.parquet"), page_checksum_verification=True) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            table = pa.Table.from_batches([batch])
            rows = table.filter(pc.equal(table["split"], split)).drop_columns("split").combine_chunks()
            start = 0
            while start < rows.num_rows:
                length = min(rows.num_rows - start, SHARD_ROWS - position % SHARD_ROWS)
                yield rows.slice(start, length)
                start, position = start + length, position + length
