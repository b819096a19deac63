"""What happened to orchestration runs: one small file for each fact, added and never changed.

    $TUNIX_HOME/status/<orchestration run id>/<status>.json

Only what no artifact can tell is kept: that a run waits, was cancelled, failed or took too long.
"""

import os
import re
import uuid
from pathlib import Path

from tunix_ml import durable
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.run_state import StatusFact
from tunix_ml.store import Store

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,127}")


def record_status(store: Store, fact: StatusFact) -> bool:
    """Keep a fact, and say whether it is new: the first of a run and status stays.

    Raises:
        ContractError: the orchestration run's id cannot be the name of a folder.
    """
    if not _RUN_ID.fullmatch(fact.orchestration_run_id):
        raise ContractError(
            f"orchestration run {fact.orchestration_run_id!r:.140} is not an id of letters, digits and '-'"
        )
    path = _folder(store) / fact.orchestration_run_id / f"{fact.status}.json"
    durable.make_directory(path.parent)
    temporary = path.with_name(f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(fact.to_json())
        durable.sync(temporary)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync(path.parent)
    return True


def status_facts(store: Store) -> list[StatusFact]:
    """Return every fact, the oldest first; a damaged one counts for nothing."""
    found = (_read(path) for path in _folder(store).glob("*/*.json"))
    return sorted(filter(None, found), key=lambda fact: (fact.at, fact.orchestration_run_id))


def _folder(store: Store) -> Path:
    return store.home / "status"


def _read(path: Path) -> StatusFact | None:
    try:
        fact = StatusFact.read(path)
    except (ContractError, FileNotFoundError):
        return None
    return fact if (path.parent.name, path.stem) == (fact.orchestration_run_id, fact.status) else None
