"""The sweeps of the store that have ended, read back for their pages."""

from dataclasses import dataclass

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.sweep import Dimension, SweepIdentity, SweepReport, Trial, dimensions_of
from tunix_ml.parquet import read_table
from tunix_ml.registry.pages.text import portable
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

TABLE = "trials"
_REPORT, _IDENTITY, _TRIALS = "sweep.json", "identity.json", "trials.parquet"


@dataclass(frozen=True)
class PublishedSweep:
    """What came of a sweep, its trials and its space."""

    snapshot: Snapshot
    report: SweepReport
    space: dict[str, Dimension]
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class PublishedSweeps:
    """All of them by id, and why others could not be read."""

    sweeps: tuple[PublishedSweep, ...] = ()
    problems: tuple[str, ...] = ()


def published_sweeps(store: Store) -> PublishedSweeps:
    """Read every sweep that has a best trial; one under way has no page yet."""
    sweeps: list[PublishedSweep] = []
    problems: list[str] = []
    for slot in store.slots():
        if slot.table != TABLE:
            continue
        try:
            found = _read(slot)
        except (TunixError, OSError) as error:
            problems.append(portable(str(error), home=store.home))
        else:
            sweeps += [found] if found else []
    return PublishedSweeps(tuple(sweeps), tuple(problems))


def _read(slot: Slot) -> PublishedSweep | None:
    if slot.pointer() is None or _REPORT not in slot.resolve().record.files:
        return None
    snapshot = slot.resolve()
    identity = SweepIdentity.read(snapshot.file(_IDENTITY))
    rows = read_table(snapshot.file(_TRIALS)).to_pylist()
    return PublishedSweep(
        snapshot,
        SweepReport.read(snapshot.file(_REPORT)),
        dimensions_of(identity.spec),
        tuple(Trial.from_row(row) for row in rows),
    )
