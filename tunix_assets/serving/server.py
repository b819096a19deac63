"""One server for both: the site on one port of 127.0.0.1, Dagster's pages on another, each behind its guard.

They are two origins on purpose: a page of the site, which shows texts that models wrote, has no say over
Dagster.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tunix_assets.serving.guard import Guard
from tunix_ml.contracts.base import TunixError

HOST = "127.0.0.1"


class PortTaken(TunixError):
    """A port cannot be listened on."""


@dataclass(frozen=True)
class Listener:
    """A socket that listens, what answers there, and what is to be closed after it."""

    socket: socket.socket
    app: ASGIApp
    close: Callable[[], Awaitable[None]] | None = None

    def __enter__(self) -> "Listener":
        """Return itself; the socket is closed with the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the socket."""
        self.socket.close()

    @property
    def url(self) -> str:
        """Where to find it."""
        return f"http://{HOST}:{port_of(self.socket)}/"


def listen(
    app: ASGIApp,
    *,
    port: int,
    is_read_only: bool = True,
    close: Callable[[], Awaitable[None]] | None = None,
) -> Listener:
    """Return a listener on a port of 127.0.0.1, 0 for a free one, with an application behind a guard.

    Raises:
        PortTaken: another program listens there.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise PortTaken(f"port {port} of {HOST} cannot be listened on: {error.strerror}") from error
    return Listener(bound, Guard(app, port_of(bound), is_read_only), close)


def serve(listeners: Sequence[Listener], *, when_ready: Callable[[], object]) -> None:
    """Answer on all listeners until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_forever(listeners, when_ready=when_ready))


async def serve_forever(listeners: Sequence[Listener], *, when_ready: Callable[[], object]) -> None:
    """Answer on all listeners until the task is cancelled or the process interrupted."""
    by_port = {port_of(listener.socket): listener.app for listener in listeners}

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await by_port[scope["server"][1]](scope, receive, send)

    config = uvicorn.Config(
        dispatch,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    ready = asyncio.ensure_future(_tell(server, when_ready))
    try:
        await server.serve(sockets=[listener.socket for listener in listeners])
    finally:
        ready.cancel()
        for listener in listeners:
            if listener.close:
                await listener.close()


def port_of(bound: socket.socket) -> int:
    """Return the port that a socket is bound to."""
    return int(bound.getsockname()[1])


async def _tell(server: uvicorn.Server, when_ready: Callable[[], object]) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    when_ready()
