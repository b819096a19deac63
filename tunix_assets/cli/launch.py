"""Run a job of the code location from the terminal: the very assets and checks, with a plain answer."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunix_ml.contracts.base import TunixError

if TYPE_CHECKING:
    import dagster as dg

    from tunix_ml.store import Store


class JobFailed(TunixError):
    """A job did not end well; the message is the first failure's own sentence."""


def run_job(store: "Store", name: str, config: dict[str, dict[str, Any]]) -> None:
    """Run a named job in this process; what it reports goes to stderr if that is a terminal.

    It is recorded in the instance of `$DAGSTER_HOME`, or of `make dev` beside the store, if there is one:
    pools hold, and the run stands on the timeline.

    Args:
        store: where everything lies.
        name: of the job.
        config: run configuration of each asset, by its name.

    Raises:
        JobFailed: an asset failed, or a blocking check found an error.
    """
    from tunix_assets.definitions import defs

    run_config = {
        "ops": {asset: {"config": fields} for asset, fields in config.items()},
        "loggers": {"console": {}},
    }
    with _home(store.home), open_instance(store.home) as instance, _told_on_stderr():
        result = defs.resolve_job_def(name).execute_in_process(
            run_config=run_config, instance=instance, raise_on_error=False
        )
    if not result.success:
        raise JobFailed(_first_failure(result))


@contextlib.contextmanager
def open_instance(home: Path, *, or_ephemeral: bool = True) -> Iterator[Any]:
    """Yield the Dagster instance that belongs to a store; where there is none an ephemeral one, or None."""
    import dagster as dg

    found = instance_home(home)
    if found is not None:
        with dg.DagsterInstance.from_config(str(found)) as instance:
            yield instance
    elif or_ephemeral:
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
    else:
        yield None


def instance_home(home: Path) -> Path | None:
    """Return the folder of the Dagster instance: `$DAGSTER_HOME`, or that of `make dev` beside the store."""
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    beside = home / "dagster"
    return beside if (beside / "dagster.yaml").is_file() else None


@contextlib.contextmanager
def _home(home: Path) -> Iterator[None]:
    """Have the assets find the store that the command names."""
    before = os.environ.get("TUNIX_HOME")
    os.environ["TUNIX_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TUNIX_HOME"]
        else:
            os.environ["TUNIX_HOME"] = before


def _told_on_stderr() -> contextlib.AbstractContextManager[object]:
    """Send what a run prints to stderr, or nowhere if nobody is looking: stdout is for the answer."""
    return contextlib.redirect_stdout(sys.stderr if sys.stderr.isatty() else io.StringIO())


def _first_failure(result: "dg.ExecuteInProcessResult") -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            return data.error.to_string() if data.error else f"the step {event.step_key} failed"
    return "the run failed before its first step"
