"""Where a result comes from: source code, packages, platform."""

import functools
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from tunix_ml.contracts.canonical import sha256_hex

_ROOT = Path(__file__).parent
_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "safetensors",
    "tokenizers",
    "transformers",
    "jax-cuda13-plugin",
    "torch",
    "pyarrow",
    "dagster",
)


@functools.cache
def source_digest(*parts: str) -> str:
    """Return one digest over the Python sources of some parts of tunix_ml, `traces` or `store`.

    A change of any line, comments included, gives another digest: what made an artifact is then another
    program, and saying so costs less than proving the opposite.
    Line ends do not count, a checkout may change them.

    Raises:
        FileNotFoundError: a part does not exist.
    """
    digests = []
    for part in sorted(set(parts)):
        path = _ROOT / part
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        for file in files:
            source = file.read_bytes().replace(b"\r\n", b"\n")
            digests.append(f"{file.relative_to(_ROOT).as_posix()} {sha256_hex(source)}")
    return sha256_hex("\n".join(digests).encode())


def provenance() -> dict[str, Any]:
    """Return the commit, whether the tree has uncommitted changes, and the versions that matter.

    Commit and dirty are None where the source does not lie in its own repository, as when it was installed.
    """
    is_tracked = _git("ls-files", "--error-unmatch", "--", __file__) is not None
    changes = _git("status", "--porcelain", "--untracked-files=no") if is_tracked else None
    return {
        "commit": _git("rev-parse", "HEAD") if is_tracked else None,
        "dirty": None if changes is None else bool(changes),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """Return what git says about the source tree, None where there is no repository or no git."""
    try:
        result = subprocess.run(  # noqa: S603 - fixed words
            ["git", "--no-optional-locks", "-C", str(_ROOT.parent), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
