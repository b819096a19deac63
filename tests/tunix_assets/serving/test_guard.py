import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tunix_assets.serving.guard import Guard
from tunix_assets.serving.server import Listener, port_of

QUERY = {"query": "{ version }"}


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says it was reached."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "reached"})
        await send({"type": "websocket.close"})
        return
    await PlainTextResponse("reached")(scope, receive, send)


@pytest.fixture
def listener(served: Callable[..., Listener]) -> Listener:
    return served(reached)


def ask(listener: Listener, path: str = "", *, method: str = "GET", **options: Any) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, listener.url + path, **options)


def own(listener: Listener, name: str = "127.0.0.1") -> str:
    return f"http://{name}:{port_of(listener.socket)}"


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_an_own_page_works_under_each_name_of_this_machine(listener: Listener, name: str) -> None:
    host = own(listener, name).removeprefix("http://")
    headers = {"Host": host, "Origin": own(listener, name.lower()), "Sec-Fetch-Site": "same-origin"}

    assert ask(listener, headers=headers).text == "reached"
    assert ask(listener, "graphql", method="POST", json=QUERY, headers=headers).text == "reached"


def test_a_local_program_that_is_no_browser_works(listener: Listener) -> None:
    assert ask(listener, "graphql", method="POST", json=QUERY).text == "reached"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "localhost.evil"]
)
def test_a_foreign_host_is_refused(listener: Listener, host: str) -> None:
    answer = ask(listener, headers={"Host": host})

    assert answer.status_code == 403
    assert f"the host {host!r} is not this server" in answer.text


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", ""]
)
@pytest.mark.parametrize("path", ["", "graphql", "report_asset_materialization/dataset"])
def test_a_foreign_origin_is_refused(listener: Listener, origin: str, path: str) -> None:
    answer = ask(listener, path, method="POST", json=QUERY, headers={"Origin": origin})

    assert answer.status_code == 403
    assert "only pages of this server may" in answer.text


def test_two_origins_or_hosts_are_refused(listener: Listener) -> None:
    origins = [("Origin", own(listener)), ("Origin", "http://evil.example")]

    assert ask(listener, headers=origins).status_code == 403


def test_a_mutation_by_get_is_refused_from_everybody(listener: Listener) -> None:
    params = {"query": "mutation { launchRun }"}

    for headers in (
        {},
        {"Origin": own(listener)},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ):
        assert ask(listener, "graphql", params=params, headers=headers).status_code == 403
    assert ask(listener, "%67raphql", params=params).status_code == 403


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/graphql", ""]
)
def test_a_query_that_a_form_could_send_is_refused(listener: Listener, media_type: str) -> None:
    answer = ask(
        listener, "graphql", method="POST", content=b"{}", headers={"Content-Type": media_type}, params=QUERY
    )

    assert answer.status_code == 403
    assert "application/json only" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_link_to_a_page_and_no_more(listener: Listener, site: str) -> None:
    visit = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}

    assert ask(listener, "runs", headers=visit).text == "reached"
    assert ask(listener, "runs", headers={**visit, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert ask(listener, "runs", method="POST", headers=visit).status_code == 403
    assert ask(listener, "report_asset_check/dataset", headers=visit).status_code == 403


def test_reports_are_taken_from_local_programs_unless_it_is_read_only(
    listener: Listener, served: Callable[..., Listener]
) -> None:
    writable = served(reached, is_read_only=False)

    assert ask(writable, "report_asset_materialization/a", method="POST", json={}).text == "reached"
    refused = ask(listener, "report_asset_materialization/a", method="POST", json={})
    assert (refused.status_code, "read-only" in refused.text) == (403, True)


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_refused(listener: Listener, method: str) -> None:
    assert ask(listener, method=method).status_code == 403


def test_a_websocket_of_an_own_page_works(listener: Listener) -> None:
    url = listener.url.replace("http", "ws")
    with connect(url, origin=own(listener), proxy=None) as socket:  # type: ignore[arg-type]
        assert socket.recv() == "reached"


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_websocket_of_a_foreign_page_is_refused(listener: Listener, origin: str) -> None:
    url = listener.url.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, origin=origin, proxy=None)  # type: ignore[arg-type]


def test_what_is_no_request_is_passed_on() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Any:
        return None

    asyncio.run(Guard(app, 1)({"type": "lifespan"}, nothing, nothing))

    assert seen == ["lifespan"]
