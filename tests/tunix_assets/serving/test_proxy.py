import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tunix_assets.serving.proxy import ProxyApp
from tunix_assets.serving.server import Listener


async def echo(request: Request) -> Response:
    """Tell what arrived."""
    told = {
        "method": request.method,
        "path": request.scope["raw_path"].decode(),
        "query": request.url.query,
        "mark": request.headers.get("x-mark"),
        "body": (await request.body()).decode(),
    }
    headers = {"Content-Security-Policy": "default-src 'self'", "X-Mark": "back"}
    return JSONResponse(told, headers=headers, status_code=201)


async def talk(websocket: WebSocket) -> None:
    """Send everything back, once as text and once as bytes, until told to go."""
    await websocket.accept(subprotocol="graphql-ws")
    async for message in websocket.iter_text():
        if message == "go":
            await websocket.close()
            return
        await websocket.send_text(message)
        await websocket.send_bytes(message.encode())


@pytest.fixture(scope="module")
def inner() -> Iterator[Path]:
    """A server on a socket file."""
    routes = [
        WebSocketRoute("/graphql", talk),
        Route("/{path:path}", echo, methods=["GET", "POST"]),
    ]
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        path = Path(folder, "s")
        config = uvicorn.Config(
            Starlette(routes=routes), uds=str(path), log_level="warning", ws="websockets-sansio"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield path
        server.should_exit = True
        thread.join()


@pytest.fixture
def outer(inner: Path, served: Callable[..., Listener]) -> Listener:
    return served(ProxyApp(inner))


def test_a_request_arrives_as_it_was_sent_and_its_answer_comes_back(outer: Listener) -> None:
    answer = httpx.post(
        outer.url + "a%2Fb/c?x=1&y=%20",
        content="text",
        headers={"X-Mark": "there", "Connection": "close"},
        trust_env=False,
    )

    assert answer.status_code == 201
    assert answer.json() == {
        "method": "POST",
        "path": "/a%2Fb/c",
        "query": "x=1&y=%20",
        "mark": "there",
        "body": "text",
    }
    assert answer.headers["x-mark"] == "back"


def test_no_other_page_may_frame_it_and_its_own_policy_stays(outer: Listener) -> None:
    answer = httpx.get(outer.url, trust_env=False)

    assert answer.headers.get_list("content-security-policy") == [
        "default-src 'self', frame-ancestors 'none'"
    ] or answer.headers.get_list("content-security-policy") == [
        "default-src 'self'",
        "frame-ancestors 'none'",
    ]
    assert answer.headers["x-frame-options"] == "DENY"


def test_messages_pass_both_ways_until_one_side_ends(outer: Listener) -> None:
    url = outer.url.replace("http", "ws") + "graphql"
    with connect(url, subprotocols=["graphql-ws"], proxy=None) as client:  # type: ignore[list-item]
        assert client.subprotocol == "graphql-ws"
        client.send(json.dumps({"type": "connection_init"}))
        assert client.recv() == '{"type": "connection_init"}'
        assert client.recv() == b'{"type": "connection_init"}'
        client.send("go")
        with pytest.raises(Exception, match="received 1000"):
            client.recv()


def test_a_client_that_leaves_is_no_error(outer: Listener) -> None:
    url = outer.url.replace("http", "ws") + "graphql"
    with connect(url, subprotocols=["graphql-ws"], proxy=None) as client:  # type: ignore[list-item]
        client.send("x")
        assert client.recv() == "x"

    assert httpx.get(outer.url, trust_env=False).status_code == 201


def test_a_server_that_is_gone_is_said_to_be(tmp_path: Path, served: Callable[..., Listener]) -> None:
    listener = served(ProxyApp(tmp_path / "none"))

    answer = httpx.get(listener.url, trust_env=False)
    with pytest.raises(InvalidStatus):
        connect(listener.url.replace("http", "ws"), proxy=None)

    assert answer.status_code == 502
    assert "does not answer" in answer.text
