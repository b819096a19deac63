"""Several processes that train one run together: how they find each other, and what they decide as one.

Each process is one rank of `jax.distributed`. A rank whose peers are gone aborts, so a rank is always a
worker process and never the one that orchestrates. In a run of one process everything here is local.

    TUNIX_COORDINATOR     host:port of process 0, the same for all
    TUNIX_NUM_PROCESSES   how many there are
    TUNIX_PROCESS_ID      which of them this is, from 0
    TUNIX_CLUSTER         instead of the three: `slurm` or `ompi`, whose launchers say all of it
"""

import os
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from tunix_ml.contracts.base import TunixError

Tree = TypeVar("Tree")

COORDINATOR_VARIABLE = "TUNIX_COORDINATOR"
NUM_PROCESSES_VARIABLE = "TUNIX_NUM_PROCESSES"
PROCESS_ID_VARIABLE = "TUNIX_PROCESS_ID"
CLUSTER_VARIABLE = "TUNIX_CLUSTER"

_RANK_VARIABLES = (COORDINATOR_VARIABLE, NUM_PROCESSES_VARIABLE, PROCESS_ID_VARIABLE)
_CLUSTERS = ("slurm", "ompi")
_START_TIMEOUT_S = 300


class ProcessesError(TunixError, ValueError):
    """The environment does not say clearly which process of how many this is."""


class Rank(NamedTuple):
    """One process among those of a run."""

    coordinator: str
    num_processes: int
    process_id: int


def initialize_from_environment(environment: Mapping[str, str] = os.environ) -> bool:
    """Join the other processes of the run if the environment names them; return whether it does.

    To be called before JAX is used for the first time. On CPUs the processes talk through Gloo, which is
    JAX's default.

    Raises:
        ProcessesError: a variable is missing, or not what it should be.
        RuntimeError: the other processes did not come within five minutes.
    """
    if cluster := environment.get(CLUSTER_VARIABLE):
        _join_cluster(cluster, environment)
        return True
    rank = rank_of(environment)
    if rank is None:
        return False
    jax.distributed.initialize(
        coordinator_address=rank.coordinator,
        num_processes=rank.num_processes,
        process_id=rank.process_id,
        cluster_detection_method="deactivate",
        initialization_timeout=_START_TIMEOUT_S,
    )
    return True


def rank_of(environment: Mapping[str, str]) -> Rank | None:
    """Return the rank that the environment names, None if it names none.

    Raises:
        ProcessesError: a variable is missing, or not what it should be.
    """
    given = {name: environment[name] for name in _RANK_VARIABLES if environment.get(name)}
    if not given:
        return None
    if missing := [name for name in _RANK_VARIABLES if name not in given]:
        raise ProcessesError(f"{', '.join(given)} set, but not {', '.join(missing)}: set all three, or none")
    rank = Rank(
        given[COORDINATOR_VARIABLE],
        _count(given, NUM_PROCESSES_VARIABLE),
        _count(given, PROCESS_ID_VARIABLE),
    )
    host, _, port = rank.coordinator.rpartition(":")
    if not host or not port.isdecimal():
        raise ProcessesError(f"{COORDINATOR_VARIABLE} {rank.coordinator!r} is not of the form <host>:<port>")
    if rank.process_id >= rank.num_processes:
        raise ProcessesError(
            f"{PROCESS_ID_VARIABLE} {rank.process_id} is not below"
            f" {NUM_PROCESSES_VARIABLE} {rank.num_processes}"
        )
    return rank


def any_process(flag: bool) -> bool:
    """Return whether the flag is set in any process; all of them have to ask."""
    if jax.process_count() == 1:
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.int32(flag))))


def as_first_process(value: int) -> int:
    """Return the value that process 0 has; all of them have to ask."""
    if jax.process_count() == 1:
        return value
    return int(multihost_utils.broadcast_one_to_all(np.int32(value)))


def wait_for_all(name: str) -> None:
    """Wait until every process has come to the point of this name."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def _join_cluster(cluster: str, environment: Mapping[str, str]) -> None:
    if cluster not in _CLUSTERS:
        raise ProcessesError(f"{CLUSTER_VARIABLE} {cluster!r} is not one of: {', '.join(_CLUSTERS)}")
    if also := [name for name in _RANK_VARIABLES if environment.get(name)]:
        raise ProcessesError(f"{CLUSTER_VARIABLE} {cluster!r} set, but also {', '.join(also)}: leave one out")
    try:
        jax.distributed.initialize(cluster_detection_method=cluster, initialization_timeout=_START_TIMEOUT_S)
    except KeyError as error:
        raise ProcessesError(
            f"{CLUSTER_VARIABLE} is {cluster!r}, but its launcher did not start this process:"
            f" {error} is missing"
        ) from error


def _count(given: Mapping[str, str], name: str) -> int:
    if not (given[name].isascii() and given[name].isdecimal()):
        raise ProcessesError(f"{name} {given[name]!r} is not a number")
    return int(given[name])
