"""The devices of this machine, chosen by name, and where their compiled programs are kept."""

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import Device

_PLATFORMS: dict[Device, str] = {"cpu": "cpu", "gpu": "gpu", "cuda": "gpu", "tpu": "tpu"}
_CPU_INFO = Path("/proc/cpuinfo")
_CPU_INFO_KEYS = ("model name", "flags", "Features", "CPU part")
_MIN_COMPILE_TIME_S = 0.3


class DeviceNotFound(TunixError, ValueError):
    """The device asked for is not on this machine, or not as many of them."""


def find_device(name: Device, *, index: int | None = None) -> jax.Device:
    """Return one device of a platform; `auto` is the best platform there is.

    Raises:
        DeviceNotFound: this machine has none of that platform, or none of that index.
    """
    return choose_devices(name, num_devices=1, index=index)[0]


def choose_devices(name: Device, *, num_devices: int, index: int | None = None) -> Sequence[jax.Device]:
    """Return the first devices of a platform, or the one of an index.

    In several processes the devices of all of them are counted, and each process has to be given a part.

    Raises:
        DeviceNotFound: there are not so many, or a process would be left without one.
    """
    devices = _devices_of(name)
    if index is not None:
        return [_device_at(index, devices, name=name, num_devices=num_devices)]
    if num_devices > len(devices):
        raise DeviceNotFound(f"mesh_fsdp x mesh_tp asks for {num_devices} devices {name!r}; {_present()}")
    chosen = devices[:num_devices]
    idle = {device.process_index for device in devices} - {device.process_index for device in chosen}
    if idle:
        raise DeviceNotFound(
            f"a mesh of {num_devices} devices leaves process {min(idle)} without one;"
            f" all processes together have {len(devices)} devices {name!r}"
        )
    return chosen


def describe_device(device: jax.Device) -> str:
    """Return platform and kind, `gpu NVIDIA H200`, or `cpu`."""
    kind = device.device_kind
    return device.platform if kind == device.platform else f"{device.platform} {kind}"


def configure_process(*, home: Path, device: Device) -> None:
    """Set JAX up for a process that works on one platform, before it is used for the first time.

    Compiled programs are kept below the store's home, in a folder for each kind of host: a program compiled
    for one processor may not run on another. Within the folder JAX keeps platforms, kinds of device and XLA's
    flags apart. How much of a GPU's memory JAX takes at its start is left to the variables
    XLA_PYTHON_CLIENT_PREALLOCATE and XLA_PYTHON_CLIENT_MEM_FRACTION.
    """
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]  # else a GPU beside it is taken as well
    folder = home / "cache" / "xla" / _host_key()
    jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_TIME_S)  # type: ignore[no-untyped-call]


def device_facts(devices: Sequence[jax.Device]) -> dict[str, Any]:
    """Return what JAX says about the devices of a run, for its provenance.

    `platform_version` names the CUDA or ROCm runtime on a GPU, the compiler on a TPU.
    """
    return {
        "platform": devices[0].platform,
        "platform_version": " ".join(devices[0].client.platform_version.split()),
        "devices": [f"{device.id}: {describe_device(device)}" for device in devices],
        "memory_bytes": [_memory_bytes(device) for device in devices],
        "num_processes": jax.process_count(),
    }


def _devices_of(name: Device) -> list[jax.Device]:
    """Return all devices of a platform, those of other processes included."""
    default = jax.devices()
    if name == "auto" or _PLATFORMS[name] == default[0].platform:
        return default
    if _PLATFORMS[name] != "cpu":
        raise DeviceNotFound(f"device {name!r} is not present; {_present()}")
    return jax.devices("cpu")


def _device_at(index: int, devices: list[jax.Device], *, name: Device, num_devices: int) -> jax.Device:
    if num_devices != 1:
        raise DeviceNotFound(
            f"device_index {index} is one device, mesh_fsdp x mesh_tp asks for {num_devices}: leave one out"
        )
    if jax.process_count() > 1:
        raise DeviceNotFound(
            f"device_index {index} is one device, but there are {jax.process_count()} processes"
        )
    if index >= len(devices):
        raise DeviceNotFound(f"device {name!r} of device_index {index} is not present; {_present()}")
    return devices[index]


def _present() -> str:
    """Return what this machine has, `this machine has: cpu, gpu x 4`."""
    counts = {"cpu": len(jax.devices("cpu")), jax.default_backend(): jax.device_count()}
    names = (name if count == 1 else f"{name} x {count}" for name, count in sorted(counts.items()))
    return f"this machine has: {', '.join(names)}"


def _memory_bytes(device: jax.Device) -> int | None:
    """Return how much memory JAX may take of a device, None where it does not say."""
    is_here = device.process_index == jax.process_index()
    stats = device.memory_stats() if is_here else None
    return stats.get("bytes_limit") if stats else None


def _host_key() -> str:
    """Return a short name for this kind of processor."""
    facts = [platform.machine(), platform.processor()]
    if _CPU_INFO.is_file():
        lines = _CPU_INFO.read_text().splitlines()
        facts += sorted({line for line in lines if line.startswith(_CPU_INFO_KEYS)})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
