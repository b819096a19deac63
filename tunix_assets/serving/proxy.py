"""A reverse proxy before a web server that listens on a socket file: HTTP and websockets, as they are."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

_INNER_HOST = "127.0.0.1"
# Of one connection, and not to be passed on (RFC 9110, 7.6.1); the length is of what is sent on.
_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"}
_HOP |= {"transfer-encoding", "upgrade", "host", "content-length"}
_NOT_BACK = _HOP - {"content-length"}
_ADDED = {"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class ProxyApp:
    """Passes every request on to the server behind the socket."""

    socket: Path
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.AsyncHTTPTransport(uds=str(self.socket))
        client = httpx.AsyncClient(
            transport=transport, timeout=httpx.Timeout(60.0, read=None), trust_env=False
        )
        object.__setattr__(self, "client", client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the server behind does."""
        if scope["type"] == "websocket":
            await self._pass_websocket(WebSocket(scope, receive, send))
        elif scope["type"] == "http":
            await self._pass_request(scope, receive, send)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _pass_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("ascii", errors="replace")
        query = scope["query_string"].decode("ascii", errors="replace")
        url = httpx.URL(f"http://{_INNER_HOST}").copy_with(raw_path=f"{path}?{query}".rstrip("?").encode())
        asked = self.client.build_request(
            request.method,
            url,
            headers=[(name, value) for name, value in request.headers.items() if name not in _HOP],
            content=request.stream() if request.method == "POST" else None,
        )
        try:
            answer = await self.client.send(asked, stream=True)
        except httpx.TransportError as error:
            gone = PlainTextResponse(f"Dagster's web server does not answer: {error}\n", status_code=502)
            await gone(scope, receive, send)
            return
        response = StreamingResponse(answer.aiter_raw(), status_code=answer.status_code)
        response.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode() not in _NOT_BACK
        ]
        for name, value in _ADDED.items():
            response.headers.append(name, value)
        try:
            await response(scope, receive, send)
        finally:
            await answer.aclose()

    async def _pass_websocket(self, outer: WebSocket) -> None:
        protocols = [Subprotocol(name) for name in outer.scope.get("subprotocols", [])]
        uri = f"ws://{_INNER_HOST}{outer.scope['path']}"
        try:
            connection = unix_connect(
                str(self.socket), uri, subprotocols=protocols or None, max_size=_MOST_BYTES, proxy=None
            )
            async with connection as inner:
                await outer.accept(subprotocol=inner.subprotocol)
                await _join(outer, inner)
        except (OSError, InvalidHandshake):
            with contextlib.suppress(RuntimeError):
                await outer.close(code=1014)


async def _join(outer: WebSocket, inner: ClientConnection) -> None:
    """Pass messages both ways until one side ends."""
    tasks = [asyncio.ensure_future(_inwards(outer, inner)), asyncio.ensure_future(_outwards(outer, inner))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(RuntimeError):
        await outer.close()


async def _inwards(outer: WebSocket, inner: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, ConnectionClosed):
        async for message in outer.iter_text():
            await inner.send(message)


async def _outwards(outer: WebSocket, inner: ClientConnection) -> None:
    async for message in inner:
        await (outer.send_text(message) if isinstance(message, str) else outer.send_bytes(message))
