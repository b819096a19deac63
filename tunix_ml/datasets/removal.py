"""Remove a dataset version: what is published under its name, and its recipe where it is the user's own.

Nothing is removed that something else rests on. Contents stay on the disk until they are collected; recipe
and dropped file are set aside in `$TUNIX_HOME/removed/`, for they may exist nowhere else.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.names import parse_dataset_version
from tunix_ml.datasets.catalog import catalog_directories
from tunix_ml.durable import make_directory, sync
from tunix_ml.slot import Slot
from tunix_ml.store import Store

# Made of one version alone and made again in seconds: they go with it.
_DERIVED = ("dataset", "dataset_quality", "dataset_difference", "sft_export", "tokenized_examples")
# It shows everything, and is made anew with every leaderboard: it keeps nothing.
_NO_USE = "results_site"


class StillUsed(TunixError):
    """Something rests on the dataset version."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What a removal takes away, and what stands against it.

    Attributes:
        dataset_version: what it is about.
        slots: published artifacts that go.
        files: the user's own recipe and dropped files, which are set aside.
        used_by: everything that rests on the version, by name.
    """

    dataset_version: str
    slots: tuple[Slot, ...]
    files: tuple[Path, ...]
    used_by: tuple[str, ...]


def plan_removal(store: Store, dataset_version: str) -> Removal:
    """Return what removing a dataset version would take away, and what rests on it.

    Raises:
        StillUsed: there is nothing to remove.
        ContractError: the name is malformed.
    """
    parse_dataset_version(dataset_version)
    slots = [store.slot(table, dataset_version) for table in _DERIVED]
    slots = [slot for slot in slots if slot.pointer()]
    files = tuple(_own_files(store.home, dataset_version))
    if not slots and not files:
        raise StillUsed(
            f"there is nothing of {dataset_version!r} to remove: nothing is published, and its recipe is not"
            f" in {catalog_directories(store.home)[1]}"
        )
    digests = {slot.resolve().digest for slot in slots}
    used_by = tuple(sorted(_users(store, digests, own=dataset_version)))
    return Removal(dataset_version=dataset_version, slots=tuple(slots), files=files, used_by=used_by)


def remove_dataset(store: Store, dataset_version: str) -> Removal:
    """Remove a dataset version and return what went.

    Raises:
        StillUsed: something rests on it, the message names all of it; or there is nothing to remove.
    """
    removal = plan_removal(store, dataset_version)
    if removal.used_by:
        raise StillUsed(f"{dataset_version} is not removed: {', '.join(removal.used_by)} rest on it")
    _set_aside(store.home, removal)  # first, or a sensor would build it again
    for slot in reversed(removal.slots):
        slot.withdraw()
    return removal


def _users(store: Store, digests: set[str], *, own: str) -> Iterator[str]:
    for slot in store.slots():
        is_own = slot.key == own and slot.table in _DERIVED
        if not is_own and slot.table != _NO_USE and slot.pointer():
            parents = slot.resolve().record.parents
            if digests & set(parents.values()):
                yield f"{slot.table} of {slot.key}"
    for run_id in store.run_ids():
        config = store.run(run_id).path / "config.json"
        text = config.read_text(errors="replace") if config.is_file() else ""
        if any(digest in text for digest in digests):
            yield f"run {run_id}"


def _own_files(home: Path, dataset_version: str) -> Iterator[Path]:
    """Yield the recipe and the sources of a version that are the user's own."""
    recipe = catalog_directories(home)[1] / f"{dataset_version}.yaml"
    sources = home / "sources" / dataset_version
    yield from (path for path in (recipe, sources) if path.exists())


def _set_aside(home: Path, removal: Removal) -> None:
    if not removal.files:
        return
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    folder = home / "removed" / f"{removal.dataset_version}.{moment}"
    make_directory(folder)
    for path in removal.files:
        name = "sources" if path.is_dir() else path.name
        os.rename(path, folder / name)  # noqa: PTH104 - as in `durable`
    sync(folder)
