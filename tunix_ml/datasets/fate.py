"""What became of a line of a source: rejected, left out, or kept; and who was trained on it or asked it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tunix_ml.contracts.base import ContractError, TunixError
from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

Outcome = Literal["kept", "rejected", "left out"]
_EXPORTED = ("sft_export", "tokenized_examples")


class UnknownLine(TunixError):
    """No published dataset version has read this line."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one line in one dataset version.

    Attributes:
        detail: why it was rejected or left out; empty where it was kept.
        trace_id: of the trace it became; None where it became none.
        exported_as: tables made from this content that hold it.
        trained: runs that were trained on it.
        asked: runs that were asked it, as an item of a held-out split.
    """

    dataset_version: str
    dataset_digest: str
    outcome: Outcome
    detail: str = ""
    trace_id: str | None = None
    split: str | None = None
    exported_as: tuple[str, ...] = ()
    trained: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say what became of it."""
        where = f"in {self.dataset_version} (content {self.dataset_digest[:16]})"
        if self.outcome != "kept":
            return f"{where} it was {self.outcome}: {self.detail}"
        use = [
            f"{verb} {', '.join(names)}"
            for verb, names in (
                ("exported as", self.exported_as),
                ("trained on by", self.trained),
                ("asked of", self.asked),
            )
            if names
        ]
        return (
            f"{where} it is trace {self.trace_id} of {self.split}; {'; '.join(use) or 'nothing uses it yet'}"
        )


def fates_of_line(store: Store, source: str, line: int) -> list[Fate]:
    """Return what became of a line in each current dataset version that has read it, by version.

    Args:
        store: where everything lies.
        source: name of the file as the tables have it, or `generator:<name>`.
        line: line or index there, from 1.

    Raises:
        UnknownLine: no version has read it.
    """
    slots = [slot for slot in store.slots() if slot.table == "dataset" and slot.pointer()]
    found = [fate for slot in slots for fate in _fates(store, slot.resolve(), source, line)]
    if not found:
        raise UnknownLine(f"no published dataset version has read line {line} of {source!r:.140}")
    return found


def _fates(store: Store, snapshot: Snapshot, source: str, line: int) -> Iterator[Fate]:
    fate = functools.partial(Fate, dataset_version=snapshot.record.key, dataset_digest=snapshot.digest)
    for row in _rows(snapshot, "traces.parquet", source=source, source_line=line):
        yield fate(
            outcome="kept",
            trace_id=row["trace_id"],
            split=row["split"],
            exported_as=tuple(_exports(store, snapshot, row["split"])),
            trained=tuple(_trained(store, snapshot)) if row["split"] == "train" else (),
            asked=tuple(_asked(store, snapshot, row)),
        )
    for row in _rows(snapshot, "rejects.parquet", source=source, line=line):
        yield fate(outcome="rejected", detail=f"{row['code']}: {row['message']}")
    for row in _rows(snapshot, "filtered.parquet", source=source, line=line):
        detail = f"{row['reason']}: {row['detail']}"
        yield fate(outcome="left out", detail=detail, trace_id=row["trace_id"])


def _rows(snapshot: Snapshot, file: str, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of a table, verified, that have these values; none where it was not published."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - not at the load of the definitions

    if file not in snapshot.record.files:
        return []
    filters = [(name, "=", value) for name, value in wanted.items()]
    rows: list[dict[str, Any]] = pq.read_table(
        snapshot.file(file), filters=filters, page_checksum_verification=True
    ).to_pylist()
    return rows


def _exports(store: Store, snapshot: Snapshot, split: str) -> Iterator[str]:
    """Yield the tables made from this content, one from the other; tokens are made of no test split."""
    made_from = snapshot.digest
    for table in _EXPORTED if split != "test" else _EXPORTED[:1]:
        slot = store.slot(table, snapshot.record.key)
        if not slot.pointer() or made_from not in slot.resolve().record.parents.values():
            return
        made_from = slot.resolve().digest
        yield table


def _trained(store: Store, snapshot: Snapshot) -> Iterator[str]:
    for run_id in store.run_ids():
        path = store.run(run_id).path / "config.json"
        if path.is_file() and RunIdentity.read(path).dataset_digest == snapshot.digest:
            yield run_id


def _asked(store: Store, snapshot: Snapshot, row: dict[str, Any]) -> Iterator[str]:
    name = f"{snapshot.record.key}.{row['split']}"
    for run_id in store.run_ids():
        try:
            predictions = store.run(run_id).slot(f"predictions/{name}").resolve()
            meta = PredictionsMeta.read(predictions.file("predictions_meta.json"))
        except (NotPublished, ContractError):
            continue
        is_same = meta.source_digest == snapshot.digest
        if is_same and _rows(predictions, "predictions.parquet", item_id=row["trace_id"]):
            yield run_id
