"""Dagster's web server in a process of its own, on a socket file that no browser can reach.

    python -m tunix_assets.serving.webserver SOCKET [--read-only]

`dagster-webserver` itself listens on a port only; then a page could go past the guard, straight to the port.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tunix_ml.contracts.base import TunixError
from tunix_ml.worker import PARENT_VARIABLE, die_with_parent

_START_TIMEOUT_S, _STOP_TIMEOUT_S = 120.0, 10.0
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
        socket = Path(folder, "web.sock")
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(instance_home.resolve()),
            "TUNIX_HOME": str(home),
            PARENT_VARIABLE: str(os.getpid()),
        }
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, str(socket)]
        command += [_READ_ONLY] if is_read_only else []
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
        try:
            _wait(socket, process)
            yield WebServer(socket, process)
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
            instance, target, read_only=is_read_only, code_server_log_level="WARNING"
        ) as context,
    ):
        app = create_app_from_workspace_process_context(context)
        uvicorn.run(app, uds=arguments[0], log_level="warning", ws="websockets-sansio")


def _wait(socket: Path, process: "subprocess.Popen[bytes]") -> None:
    import httpx

    deadline = time.monotonic() + _START_TIMEOUT_S
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise WebServerFailed(f"Dagster's web server left with {process.returncode}")
            with contextlib.suppress(httpx.TransportError):
                client.get("http://127.0.0.1/server_info").raise_for_status()
                return
            time.sleep(0.1)
    raise WebServerFailed(f"Dagster's web server did not answer within {_START_TIMEOUT_S:g} s")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
