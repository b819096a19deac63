"""The machine: the installation, the devices that JAX finds, and the room on the disk."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from tunix_assets.doctor.finding import Finding, well_or_wrong

_DISTRIBUTION = "tunix-rt"
_DEVICES = """
import jax
print(", ".join(" ".join(dict.fromkeys((one.platform, one.device_kind))) for one in jax.devices()))
"""
_DEFINITIONS = "tunix_assets.definitions"
_GIB = 1 << 30
_TIMEOUT_S = 180.0


def examine_installation(requirements: Iterable[str] | None = None) -> Finding:
    """Hold the installed packages against what the project asks for, and load the definitions."""
    if requirements is None:
        requirements = metadata.requires(_DISTRIBUTION) or ()
    problems = [problem for line in requirements if (problem := _unmet(line))]
    load = _said([sys.executable, "-c", f"import {_DEFINITIONS}"], timeout_s=_TIMEOUT_S)
    if load.problem:
        problems.append(f"the definitions do not load: {load.problem}")
    version = f"Python {sys.version.split()[0]}"
    return well_or_wrong("installation", problems, well=f"{version}; every package is as the project asks")


def examine_devices(*, command: str = _DEVICES, timeout_s: float = _TIMEOUT_S) -> Finding:
    """Ask JAX for its devices, in a process of its own: a driver that hangs or dies takes nothing with it."""
    found = _said([sys.executable, "-c", command], timeout_s=timeout_s)
    if found.problem:
        return Finding("devices", "wrong", f"JAX finds none: {found.problem}")
    return Finding("devices", "well", f"JAX finds {found.text}")


def examine_disk(home: Path, *, least_free_bytes: int = _GIB) -> Finding:
    """Say how much room there is where the store lies, or will lie."""
    folder = next(path for path in (home, *home.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    room = f"{free / _GIB:,.1f} GiB are free at {folder}"
    if free < least_free_bytes:
        return Finding(
            "disk", "wrong", f"{room}, less than {least_free_bytes / _GIB:,.1f}: `tunix-rt gc` may help"
        )
    return Finding("disk", "well", room)


def _unmet(line: str) -> str | None:
    """Return what is wrong with one requirement, as `name>=1,<2; marker`; None if it is met or not meant."""
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(found, prereleases=True):
        return None
    return f"{requirement.name} is {found}, the project asks for {requirement.specifier}"


class _Said:
    """What a process printed last, or why it printed nothing."""

    def __init__(self, text: str = "", problem: str = "") -> None:
        self.text, self.problem = text, problem


def _said(command: list[str], *, timeout_s: float) -> _Said:
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and a text of ours
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return _Said(problem=f"it did not answer within {timeout_s:g} s")
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = lines[-1] if lines else ""
    if done.returncode == 0:
        return _Said(text=last)
    return _Said(problem=last or f"the process left with {done.returncode}")
