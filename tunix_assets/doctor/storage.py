"""The store: whether it can be written, who holds a lease, and what writers left unfinished."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tunix_assets.doctor.finding import Finding, mendable, well_or_wrong
from tunix_ml.store import Store
from tunix_ml.upkeep import discard_drafts, held_leases, unfinished_drafts

_MOST_NAMED = 3
_YOUNG_S = 60.0


def examine_permissions(home: Path) -> Finding:
    """Look for folders of the store that cannot be written by us, or can be by everybody."""
    if not home.is_dir():
        return Finding("permissions", "unknown", f"there is no store at {home} yet; the first asset makes it")
    problems = list(_wrong_folders(home))
    more = [f"and {len(problems) - _MOST_NAMED:,} more"] if len(problems) > _MOST_NAMED else []
    well = f"every folder of {home} can be written by us and by no stranger"
    return well_or_wrong("permissions", [*problems[:_MOST_NAMED], *more], well=well)


def examine_leases(store: Store) -> Finding:
    """Look for leases whose owner is gone; a living owner is at work, and that is well."""
    held = held_leases(store)
    orphaned = [
        f"{lease.sentence()}: end the process that it left behind" for lease in held if lease.is_orphaned
    ]
    working = "; ".join(lease.sentence() for lease in held) or "nobody is writing"
    return well_or_wrong("leases", orphaned, well=working)


def examine_drafts(store: Store, *, fix: bool, older_than_s: float = _YOUNG_S) -> Finding:
    """Look for what killed writers left behind; nothing reads it, and it only takes room."""
    found = unfinished_drafts(store, older_than_s=older_than_s)
    removed = discard_drafts(store, older_than_s=older_than_s) if fix and found else None
    told = [f"{len(found):,} unfinished drafts, like {found[0]}"] if found else []
    done = None if removed is None else f"deleted {len(removed):,}"
    return mendable("drafts", told, well="no writer has left one unfinished", done=done)


def _wrong_folders(home: Path) -> Iterator[str]:
    for folder, _, _ in os.walk(home):
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            yield f"{folder} cannot be written by us: give it to the user who runs Dagster"
        mode = Path(folder).stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            yield f"{folder} can be written by everybody: chmod o-w"
