"""Dagster's web server in a process of its own, on a socket file that no browser can reach.

    python -m tunix_assets.serving.webserver SOCKET [--read-only]

`dagster-webserver` itself listens on a port only; then a page could go past the guard, straight to the port.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.worker import PARENT_VARIABLE, die_with_parent

_START_TIMEOUT_S, _STOP_TIMEOUT_S = 600.0, 10.0  # a busy machine loads the definitions for minutes
_READ_ONLY = "--read-only"


class WebServerFailed(TunixError):
    """Dagster's web server did not start."""


class WebServer(NamedTuple):
    """A web server that runs."""

    socket: Path
    process: "subprocess.Popen[bytes]"


@contextlib.contextmanager
def web_server(*, instance_home: Path, home: Path, is_read_only: bool) -> Iterator[WebServer]:
    """Start the web server, wait until it answers, and end it with the block; it dies with this process too.

    Args:
        instance_home: folder of the Dagster instance.
        home: of the store.
        is_read_only: whether nothing can be launched or changed from its pages.

    Raises:
        WebServerFailed: it ended, or did not answer in time.
    """
    with tempfile.TemporaryDirectory(prefix="tunix-") as folder:
        path = Path(folder, "web.sock")
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(instance_home.resolve()),
            "TUNIX_HOME": str(home),
            PARENT_VARIABLE: str(os.getpid()),
        }
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(path)]
        command += [_READ_ONLY] if is_read_only else []
        with Path(folder, "log.txt").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            _wait(path, process)
            yield WebServer(path, process)
        finally:
            _end(process)


def main(arguments: list[str]) -> None:
    """Serve on a socket file until ended."""
    die_with_parent()
    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    target = ModuleTarget(
        module_name="tunix_assets.definitions",
        attribute=None,
        working_directory=None,
        location_name="tunix_assets.definitions",
    )
    is_read_only = _READ_ONLY in arguments
    with (
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(
            instance, target, version=__version__, read_only=is_read_only, code_server_log_level="WARNING"
        ) as context,
    ):
        app = create_app_from_workspace_process_context(context)
        uvicorn.run(app, uds=arguments[0], log_level="warning", ws="websockets-sansio")


def _wait(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            last = _last_line(path.with_name("log.txt"))
            raise WebServerFailed(f"Dagster's web server left with {process.returncode}: {last}")
        if _accepts(path):
            return
        time.sleep(0.1)
    raise WebServerFailed(f"Dagster's web server did not answer within {_START_TIMEOUT_S:g} s")


def _accepts(path: Path) -> bool:
    """Say whether somebody listens at the socket file; the definitions are loaded before that."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1]:.300}" if lines else "it said nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
