"""Ray Tune, the extra `ray`: random trials side by side, on as many machines as its cluster has.

All of them see the same store. Ray only draws and places: who goes on is decided as without it, and what came
of a trial is read from its run.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.sweep import Dimension, Values
from tunix_ml.tuning.engines import Listener, Search
from tunix_ml.tuning.launch import OutOfTime
from tunix_ml.tuning.trial import TrialJob, run_trial

_NUM_DRAWS = 100
_NUM_STARTS = 3
_ADDRESS = "RAY_ADDRESS"


class MissingExtra(TunixError):
    """A library that is asked for is not installed."""


class RayNotStarted(TunixError):
    """Ray's own processes did not come up."""


class RayEngine:
    """Draws all trials at once, and has Ray Tune run them wherever there is room.

    Raises:
        MissingExtra: Ray is not installed.
    """

    def __init__(self) -> None:
        try:
            from ray import tune  # noqa: PLC0415 - an optional library
        except ImportError as error:
            raise MissingExtra(
                "sweep_engine 'ray' needs Ray, which is missing: `uv sync --extra ray`, or take optuna"
            ) from error
        self._tune = tune

    def num_proposed_at_once(self, num_missing: int) -> int:
        """Return all that are missing: they do not depend on each other."""
        return num_missing

    def propose(self, search: Search) -> Values | None:
        """Return a draw that was not tried yet, the same for the same number of trials."""
        import numpy as np  # noqa: PLC0415 - only where Ray is

        random = np.random.RandomState([search.seed, len(search.trials)])
        tried = [trial.values for trial in search.trials]
        for _ in range(_NUM_DRAWS):
            values = {field: self._draw(dimension, random) for field, dimension in search.space.items()}
            if values not in tried:
                return values
        return None

    def train(self, jobs: Sequence[TrialJob], listener: Listener) -> None:
        """Bring trials to their rung, side by side."""
        if not jobs:
            return
        self._connect()
        for job in jobs:
            listener.begins(job.number)
        needs = {"cpu": 1, "gpu": 1 if jobs[0].execution.device in ("gpu", "cuda") else 0}
        tuner = self._tune.Tuner(
            self._tune.with_resources(train_in_actor, needs),
            param_space={"job": self._tune.grid_search([job.model_dump(mode="json") for job in jobs])},
            run_config=self._tune.RunConfig(
                storage_path=str(jobs[0].home / "cache" / "ray"), name=_name(jobs), verbose=0
            ),
        )
        failures = {result.config["job"]["number"]: _failure(result) for result in tuner.fit()}
        for job in jobs:
            listener.ends(job.number, failure=failures.get(job.number, "Ray has lost the trial"))

    def _connect(self) -> None:
        """Join the cluster that the environment names, or start one of this machine alone.

        Raises:
            RayNotStarted: it did not come up; on a busy machine Ray gives itself too little time.
        """
        import ray  # noqa: PLC0415 - an optional library

        problem = ""
        for _ in range(_NUM_STARTS):
            if ray.is_initialized():
                return
            try:
                ray.init(
                    address=os.environ.get(_ADDRESS),
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                )
            except Exception as error:  # noqa: BLE001 - Ray 2.60 raises nothing more special after 30 s
                problem = " ".join(str(error).split())
                ray.shutdown()
        if not ray.is_initialized():
            raise RayNotStarted(f"Ray could not be started in {_NUM_STARTS} attempts: {problem:.300}")

    def _draw(self, dimension: Dimension, random: Any) -> Any:
        if dimension.kind == "choice":
            return self._tune.choice(list(dimension.values)).sample(random_state=random)
        low, high = dimension.values
        if dimension.kind == "int":
            return int(self._tune.randint(low, int(high) + 1).sample(random_state=random))
        domain = self._tune.loguniform if dimension.kind == "loguniform" else self._tune.uniform
        return float(domain(low, high).sample(random_state=random))


def train_in_actor(config: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the trial of a job to its rung in a process of Ray; return why it failed, if it did."""
    job = TrialJob.parse(canonical_json(config["job"]), subject="the job of a trial")
    try:
        run_trial(job, print)
    except OutOfTime as error:
        return {"number": job.number, "failure": None, "note": str(error)}
    except TunixError as error:
        return {"number": job.number, "failure": str(error)}
    return {"number": job.number, "failure": None}


def _failure(result: Any) -> str | None:
    if result.error is not None:
        return f"Ray: {' '.join(str(result.error).split())[-500:]}"
    failure: str | None = (result.metrics or {}).get("failure")
    return failure


def _name(jobs: Sequence[TrialJob]) -> str:
    """Return a name for a wave: the same jobs again are the same."""
    key = zlib.crc32(b"".join(job.identity.fingerprint().encode() for job in jobs))
    return f"{jobs[0].identity.dataset_version}-{jobs[0].step}-{key:08x}"
