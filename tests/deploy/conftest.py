"""A PostgreSQL of the test's own, and the three processes of deploy/ on top of it."""

import contextlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
LOCATION = "tunix_assets.definitions"


@dataclass(frozen=True)
class Postgres:
    """A running server on the loopback interface, with one empty database `dagster`."""

    programs: Path
    port: int
    password: str

    def client(self, program: str) -> list[str]:
        """Return the words that start one of PostgreSQL's clients against this server."""
        return [str(self.programs / program), "-h", "127.0.0.1", "-p", str(self.port), "-U", "dagster"]

    def query(self, sql: str) -> list[str]:
        """Return the lines of an answer."""
        command = [
            self.programs / "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            "dagster",
            "-Atc",
            sql,
        ]
        environment = {**os.environ, "PGPASSWORD": self.password}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return answer.stdout.splitlines()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A throw-away cluster, owned by a user who is not root, with a password and no socket file."""
    if importlib.util.find_spec("dagster_postgres") is None:
        pytest.skip("dagster-postgres is not installed: uv sync --extra postgres")
    programs = next((path.parent for path in _initdb()), None)
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tunix-postgres-"))
    server = Postgres(programs, _free_port(), secrets.token_hex(16))
    try:
        process = _start_cluster(server, folder)
        yield server
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        assert process.wait(60) == 0
    finally:
        shutil.rmtree(folder)


class Services:
    """The processes of deploy/compose.yaml, as processes of this machine."""

    def __init__(self, postgres: Postgres, folder: Path) -> None:
        self.home, self.instance = folder / "home", folder / "instance"
        self._ports = {"code": _free_port(), "web": _free_port()}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs = folder / "output"
        for path in (self.home, self.instance, self._logs):
            path.mkdir()
        self._workspace = folder / "workspace.yaml"
        self._workspace.write_text(_workspace(self._ports["code"]))
        shutil.copy(DEPLOY / "dagster.yaml", self.instance)
        secret = folder / "postgres.txt"
        secret.write_text(postgres.password)
        self._environment = {
            **os.environ,
            "DAGSTER_DISABLE_TELEMETRY": "yes",  # as in the image
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DAGSTER_HOME": str(self.instance),
            "TUNIX_HOME": str(self.home),
            "TUNIX_LOGS": str(self.home / "logs"),
            "TUNIX_POSTGRES_HOST": "127.0.0.1",
            "TUNIX_POSTGRES_PORT": str(postgres.port),
            "TUNIX_POSTGRES_DATABASE": "dagster",
            "TUNIX_POSTGRES_USER": "dagster",
            "TUNIX_POSTGRES_PASSWORD_FILE": str(secret),
        }

    def start(self, name: str) -> None:
        """Start one of them, as the container of that name does, and wait until it says that it is ready."""
        with (self._logs / f"{name}.txt").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [DEPLOY / "with-password", *self._command(name)],
                cwd=self.instance,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: self._is_ready(name), lambda: self.output(name))

    def stop(self, name: str) -> None:
        """Ask one to end, and see that it does."""
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def stop_all(self) -> None:
        for name in list(self._running)[::-1]:
            self.stop(name)

    def output(self, name: str) -> str:
        return (self._logs / f"{name}.txt").read_text(errors="replace")[-4_000:]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return what the web server answers to a GraphQL query."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        with self._open("/graphql", body, headers) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def _open(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self._ports['web']}{path}", body, headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(request, timeout=60)

    def _command(self, name: str) -> list[str]:
        ports, workspace = self._ports, str(self._workspace)
        return {
            "code": ["dagster", "api", "grpc", "--port", str(ports["code"]), "--module-name", LOCATION],
            "daemon": ["dagster-daemon", "run", "--workspace", workspace],
            "web": ["dagster-webserver", "--port", str(ports["web"]), "--workspace", workspace],
        }[name]

    def _is_ready(self, name: str) -> bool:
        assert self._running[name].poll() is None, self.output(name)
        if name == "web":
            try:
                with self._open("/server_info") as response:
                    return bool(response.status == 200)
            except (urllib.error.URLError, ConnectionError):
                return False
        check = {
            "code": ["dagster", "api", "grpc-health-check", "--port", str(self._ports["code"])],
            "daemon": ["dagster-daemon", "liveness-check"],
        }[name]
        command = [DEPLOY / "with-password", *check]
        done = subprocess.run(command, env=self._environment, capture_output=True, check=False)
        return done.returncode == 0


@pytest.fixture(scope="session")
def services(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The three processes, running."""
    services = Services(postgres, tmp_path_factory.mktemp("deployed"))
    try:
        for name in ("code", "daemon", "web"):
            services.start(name)
        yield services
    finally:
        services.stop_all()


def wait_until(
    condition: Callable[[], bool], complaint: Callable[[], object], *, timeout_s: float = 300
) -> None:
    """Wait for a condition; what did not come about in time is explained by the complaint."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.5)


def _initdb() -> Iterator[Path]:
    """Yield the places of initdb: on the path, or where Debian puts it."""
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve()
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)


def _start_cluster(server: Postgres, folder: Path) -> subprocess.Popen[bytes]:
    prefix = _as_another_user(folder)
    secret = folder / "first.txt"
    secret.write_text(server.password)
    secret.chmod(0o644)  # the folder itself is open to its owner alone
    made = [server.programs / "initdb", "-D", folder / "data", "-U", "dagster", "-A", "scram-sha-256"]
    options = [f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C"]
    subprocess.run([*prefix, *made, *options], check=True, capture_output=True)
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "server.txt").open("wb") as log:
        command = [
            *prefix,
            server.programs / "postgres",
            "-D",
            folder / "data",
            "-p",
            str(server.port),
            *flags,
        ]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    ready = [server.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    wait_until(
        lambda: subprocess.run(ready, check=False).returncode == 0,
        (folder / "server.txt").read_text,
        timeout_s=60,
    )
    command = [
        server.programs / "createdb",
        "-h",
        "127.0.0.1",
        "-p",
        str(server.port),
        "-U",
        "dagster",
        "dagster",
    ]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": server.password}, check=True)
    return process


def _as_another_user(folder: Path) -> list[str]:
    """Return the words that start a program as a user other than root, and give that user the folder."""
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _workspace(port: int) -> str:
    """The workspace of the containers, with this machine's place of the code server."""
    text = (DEPLOY / "workspace.yaml").read_text()
    assert "host: code\n      port: 4266\n" in text
    return text.replace("host: code\n      port: 4266\n", f"host: 127.0.0.1\n      port: {port}\n")
