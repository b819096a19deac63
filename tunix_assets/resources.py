"""Resources: the store, and the worker processes that do the heavy work."""

import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import dagster as dg

from tunix_ml.store import Store
from tunix_ml.worker import MAY_PASS_SUFFIX, child_environment

_TERMINATION_TIMEOUT_S = 300.0  # a step and a checkpoint of a large model fit into it


class StoreResource(dg.ConfigurableResource[Store]):
    """The artifact store, at `$TUNIX_HOME` or at `.tunix` in the working directory."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Refuse a run that is configured for what does not exist, before its first step.

        Dagster 1.13 drops such names below `ops` without a word, and the run would go by the defaults.

        Raises:
            dagster.Failure: the configuration names no asset, check or op.
        """
        from tunix_assets.op_names import unknown_ops

        if context.run and (told := unknown_ops(context.run.run_config)):
            raise dg.Failure(description=told, allow_retries=False)

    def store(self) -> Store:
        """Return the store."""
        return Store.from_environment()


class WorkerResource(dg.ConfigurableResource[Any]):
    """Starts `python -m <module> <job>` for the work that loads JAX, and waits for its end."""

    def run(self, context: dg.AssetExecutionContext, module: str, job: dict[str, Any]) -> None:
        """Run one job to its end; its progress goes to the log of the asset.

        Raises:
            dagster.Failure: the worker failed; the description is its last word. A retry helps only where it
                said so, or was killed before it could say anything.
        """
        with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
            job_file, failure_file = Path(folder, "job.json"), Path(folder, "failure.txt")
            job_file.write_text(json.dumps(job), encoding="utf-8")
            try:
                _run_pipes(
                    context=context.op_execution_context,
                    command=[sys.executable, "-m", module, str(job_file)],
                    env=child_environment(failure_file),
                )
            except Exception:
                if not failure_file.exists():
                    raise
                sentence = failure_file.read_text(encoding="utf-8").strip()
                allow_retries = Path(f"{failure_file}{MAY_PASS_SUFFIX}").exists()
                raise dg.Failure(description=sentence, allow_retries=allow_retries) from None


def _run_pipes(**arguments: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", dg.PreviewWarning
        )  # Pipes reads a preview property of its own, as of 1.13
        dg.PipesSubprocessClient(termination_timeout_seconds=_TERMINATION_TIMEOUT_S).run(**arguments)
