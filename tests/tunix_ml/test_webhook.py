"""The webhook, against a server on this machine."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tunix_ml import webhook
from tunix_ml.webhook import WEBHOOK_VARIABLE, WebhookFailed, send_message


class Server(HTTPServer):
    """Answers with each of the statuses in turn, and keeps what was sent."""

    statuses: list[int]
    received: list[Any]
    is_endless = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.statuses.pop(0))
        self.end_headers()
        while self.server.is_endless:
            try:
                self.wfile.write(b" " * 1_000_000)
            except OSError:
                return

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE_S", 0.0)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.statuses, server.received = [], []
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/secret")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_without_an_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)

    assert send_message({"text": "it failed"}) is False


def test_a_message_arrives_as_json(server: Server) -> None:
    server.statuses = [200]

    assert send_message({"text": "it failed", "asset": None}) is True
    assert server.received == [{"text": "it failed", "asset": None}]


def test_the_address_stands_in_no_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.statuses = [500, 204]

    with caplog.at_level(logging.DEBUG):
        send_message({"text": "it failed"})

    assert caplog.records
    assert "secret" not in caplog.text


def test_an_answer_without_an_end_holds_nobody_up(server: Server) -> None:
    server.statuses, server.is_endless = [200], True

    begun = time.monotonic()
    send_message({"text": "it failed"})

    assert time.monotonic() - begun < 3.0


def test_a_server_in_trouble_is_asked_again(server: Server) -> None:
    server.statuses = [503, 429, 204]

    assert send_message({"text": "it failed"}) is True
    assert len(server.received) == 3


@pytest.mark.parametrize(("statuses", "tries"), [([500, 500, 500], 3), ([404], 1), ([302], 1)])
def test_a_refused_message_is_an_error_without_the_address(
    server: Server, statuses: list[int], tries: int
) -> None:
    server.statuses = list(statuses)

    with pytest.raises(WebhookFailed, match=f"status {statuses[-1]}") as found:
        send_message({"text": "it failed"})

    assert len(server.received) == tries
    assert "secret" not in str(found.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/secret", "ftp://secret", "not an address"])
def test_an_address_that_nobody_listens_to_is_an_error_without_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(webhook, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)

    with pytest.raises(WebhookFailed) as found:
        send_message({"text": "it failed"})

    assert address not in str(found.value)
