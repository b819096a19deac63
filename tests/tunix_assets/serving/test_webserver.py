"""Dagster's real web server behind the guard."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tunix_assets.serving import webserver
from tunix_assets.serving.webserver import WebServerFailed, web_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
MUTATION = "mutation { reloadWorkspace { __typename } }"
SUBSCRIPTION = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("serve") / "home"
    (home / "dagster").mkdir(parents=True)
    shutil.copy(ROOT / "dagster.yaml", home / "dagster" / "dagster.yaml")
    return home


@contextmanager
def command(home: Path, *words: str) -> Iterator[dict[str, str]]:
    """Run `tunix-rt serve` and yield what it tells."""
    line = [sys.executable, "-m", "tunix_assets.cli", "--home", str(home), "serve", "--json", *words]
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def urls(home: Path) -> Iterator[dict[str, str]]:
    with command(home, "--port", "0", "--dagster", "--dagster-port", "0") as urls:
        yield urls


def post(url: str, query: str, **headers: str) -> httpx.Response:
    return httpx.post(url + "graphql", json={"query": query}, headers=headers, trust_env=False, timeout=120)


def test_the_own_page_works(urls: dict[str, str]) -> None:
    url = urls["dagster"]

    page = httpx.get(url, trust_env=False, timeout=120)
    answer = post(url, "{ version }", Origin=url.rstrip("/"))

    assert page.status_code == 200
    assert "/_next/" in page.text
    assert answer.json()["data"]["version"].startswith("1.13.")


def test_a_foreign_page_gets_nothing_and_the_same_request_without_its_origin_does(
    urls: dict[str, str],
) -> None:
    url = urls["dagster"]

    assert post(url, "{ version }", Origin="http://evil.example").status_code == 403
    assert post(url, "{ version }", Host="evil.example").status_code == 403
    assert httpx.get(url + "graphql", params={"query": MUTATION}, trust_env=False).status_code == 403
    reported = httpx.post(url + "report_asset_materialization/dataset", json={}, trust_env=False)
    assert (reported.status_code, "read-only" in reported.text) == (403, True)


def test_nothing_is_changed_where_it_is_read_only(urls: dict[str, str]) -> None:
    answer: dict[str, Any] = post(urls["dagster"], MUTATION).json()

    assert "UnauthorizedError" in json.dumps(answer)


def test_subscriptions_pass_and_those_of_foreign_pages_do_not(urls: dict[str, str]) -> None:
    url = urls["dagster"].replace("http", "ws") + "graphql"
    own = urls["dagster"].rstrip("/")
    options: dict[str, Any] = {"subprotocols": ["graphql-ws"], "proxy": None}

    with connect(url, origin=own, **options) as socket:  # type: ignore[arg-type]
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(60)) == {"type": "connection_ack"}
        socket.send(json.dumps({"id": "1", "type": "start", "payload": {"query": SUBSCRIPTION}}))
        assert json.loads(socket.recv(60))["id"] == "1"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin="http://evil.example", **options)


def test_the_site_is_another_origin(urls: dict[str, str]) -> None:
    assert httpx.get(urls["site"], trust_env=False).status_code == 404
    assert post(urls["dagster"], "{ version }", Origin=urls["site"].rstrip("/")).status_code == 403


def test_what_ends_before_it_answers_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "broken"
    home.mkdir()
    (home / "dagster.yaml").write_text("no_such_setting: true\n")

    with (
        pytest.raises(WebServerFailed, match="left with 1"),
        web_server(instance_home=home, home=tmp_path, is_read_only=True),
    ):
        raise AssertionError


def test_what_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webserver, "_START_TIMEOUT_S", 0.0)
    (tmp_path / "dagster.yaml").write_text("")

    with (
        pytest.raises(WebServerFailed, match="did not answer within 0 s"),
        web_server(instance_home=tmp_path, home=tmp_path, is_read_only=False),
    ):
        raise AssertionError
