"""The names that may stand below `ops` in a run configuration."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any


def unknown_ops(run_config: Mapping[str, Any]) -> str:
    """Return a sentence about the names that belong to nothing that can be run; empty if there are none."""
    known = _op_names()
    problems = [_unknown(name, known) for name in sorted(run_config.get("ops") or {}) if name not in known]
    return "; ".join(problems)


def _op_names() -> set[str]:
    """Return the ops of every job, those of the assets and checks among them."""
    from tunix_assets.definitions import defs  # it imports the resource that asks

    return {node.name for job in defs.get_repository_def().get_all_jobs() for node in job.nodes}


def _unknown(name: str, known: set[str]) -> str:
    meant = get_close_matches(name, sorted(known), n=1)
    hint = f", did you mean {meant[0]!r}?" if meant else ""
    return f"the run configuration has {name!r:.100} below `ops`, where no asset has this name{hint}"
