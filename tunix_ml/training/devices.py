"""The device a run works on, chosen by name, and where its compiled programs are kept."""

import hashlib
import platform
from pathlib import Path

import jax

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import Device

_PLATFORMS: dict[Device, str] = {"cpu": "cpu", "gpu": "gpu", "cuda": "gpu", "tpu": "tpu"}
_CPU_INFO = Path("/proc/cpuinfo")
_CPU_INFO_KEYS = ("model name", "flags", "Features", "CPU part")
_MIN_COMPILE_TIME_S = 0.3


class DeviceNotFound(TunixError, ValueError):
    """The device asked for is not on this machine."""


def find_device(name: Device) -> jax.Device:
    """Return the device of a name; `auto` is the first of the best platform.

    Raises:
        DeviceNotFound: this machine has none of that platform.
    """
    default: jax.Device = jax.devices()[0]
    if name == "auto":
        return default
    wanted = _PLATFORMS[name]
    if wanted not in {default.platform, "cpu"}:
        present = ", ".join(sorted({default.platform, "cpu"}))
        raise DeviceNotFound(f"device {name!r} is not present; this machine has: {present}")
    return jax.devices(wanted)[0]


def describe_device(device: jax.Device) -> str:
    """Return platform and kind, `gpu NVIDIA H200`, or `cpu`."""
    kind = device.device_kind
    return device.platform if kind == device.platform else f"{device.platform} {kind}"


def configure_process(*, home: Path, device: Device) -> None:
    """Set JAX up for a process that works on one device, before it is used for the first time.

    Compiled programs are kept below the store's home, in a folder for each kind of host: a program compiled
    for one processor may not run on another.
    """
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]  # else a GPU beside it is taken as well
    folder = home / "cache" / "xla" / _host_key()
    jax.config.update("jax_compilation_cache_dir", str(folder))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_TIME_S)  # type: ignore[no-untyped-call]


def _host_key() -> str:
    """Return a short name for this kind of processor."""
    facts = [platform.machine(), platform.processor()]
    if _CPU_INFO.is_file():
        lines = _CPU_INFO.read_text().splitlines()
        facts += sorted({line for line in lines if line.startswith(_CPU_INFO_KEYS)})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
