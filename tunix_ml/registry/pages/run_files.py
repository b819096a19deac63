"""What a run left in its directory, as far as it can be read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.system import SystemIdentity
from tunix_ml.contracts.training import CheckpointRecord, MetricsRow, RunIdentity
from tunix_ml.evaluation.comparison.settings import CONFIG_FILE, SYSTEM_FILE
from tunix_ml.registry.pages.text import portable
from tunix_ml.store import RunDirectory
from tunix_ml.training.metrics import METRICS_FILE, read_metrics

Read = TypeVar("Read")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The files of a run; a missing one is None, one that cannot be read is None and named in `problems`."""

    run_id: str
    identity: RunIdentity | None = None
    system: SystemIdentity | None = None
    checkpoint: CheckpointRecord | None = None
    provenance: Mapping[str, Any] | None = None
    metrics: tuple[MetricsRow, ...] = ()
    problems: tuple[str, ...] = ()


def read_run_files(run: RunDirectory, *, home: Path) -> RunFiles:
    """Read what a run of the store at `home` left; nothing of it that is damaged stops the rest."""
    problems: list[str] = []

    def read(name: str, reader: Callable[[Path], Read]) -> Read | None:
        path = run.path / name
        if not path.exists():
            return None
        try:
            return reader(path)
        except (TunixError, OSError, ValueError, RecursionError) as error:
            problems.append(portable(f"{name} cannot be read: {error}", home=home))
            return None

    return RunFiles(
        run_id=run.run_id,
        identity=read(CONFIG_FILE, RunIdentity.read),
        system=read(SYSTEM_FILE, SystemIdentity.read),
        checkpoint=read("checkpoint.json", CheckpointRecord.read),
        provenance=read("provenance.json", _read_object),
        metrics=tuple(read(METRICS_FILE, read_metrics) or ()),
        problems=tuple(problems),
    )


def _read_object(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise ValueError(f"it holds {type(found).__name__}, expected an object")
    return found
