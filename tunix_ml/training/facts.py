"""Where and with what a session of a run works: what `provenance.json` says beside the source code."""

import os
import resource
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from tunix_ml.contracts.training import ExecutionConfig
from tunix_ml.provenance import provenance
from tunix_ml.training.devices import device_facts
from tunix_ml.training.placement import Placement

_DRIVER = Path("/proc/driver/nvidia/version")
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "GLIBC_TUNABLES",
    "OMP_NUM_THREADS",
)
_PREFIXES = ("JAX_", "XLA_", "LIBTPU_", "TPU_", "NCCL_", "TUNIX_NUM_PROCESSES", "TUNIX_PROCESS_ID")


def session_facts(
    *, placement: Placement, execution: ExecutionConfig, from_step: int | None
) -> dict[str, Any]:
    """Return the facts of a session at its start."""
    return {
        **provenance(),
        "device": placement.describe(),
        **device_facts(list(placement.mesh.devices.flat)),
        "driver": _driver(_DRIVER),
        "num_devices_visible": jax.device_count(),
        "num_cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "environment": relevant(os.environ),
        "execution": execution.model_dump(mode="json"),
        "session_started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed_from_step": from_step,
    }


def peak_memory(placement: Placement) -> dict[str, Any]:
    """Return the most bytes in use so far: of the process, and of each device here that says so."""
    here = [device for device in placement.mesh.devices.flat if device.process_index == jax.process_index()]
    stats = {str(device.id): device.memory_stats() or {} for device in here}
    unit = 1 if sys.platform == "darwin" else 1_024
    return {
        "peak_host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "peak_device_bytes": {name: found.get("peak_bytes_in_use") for name, found in stats.items()},
    }


def relevant(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that decide which devices there are and what is compiled for them."""
    names = (name for name in environment if name in _VARIABLES or name.startswith(_PREFIXES))
    return {name: environment[name] for name in sorted(names)}


def _driver(path: Path) -> str | None:
    """Return the first line of what NVIDIA's kernel module says about itself, None where there is none."""
    return path.read_text(encoding="utf-8").partition("\n")[0].strip() if path.is_file() else None
