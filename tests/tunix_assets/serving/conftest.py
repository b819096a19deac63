"""Servers that really listen, for requests that are really sent."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from starlette.types import ASGIApp

from tunix_assets.serving.server import Listener, listen, serve_forever
from tunix_ml.store import Store

PAGES = {
    "index.html": "<!doctype html><title>Results</title>",
    "runs/a.html": "<!doctype html><title>a</title>",
    "style.css": "body {}",
    "script.js": "'use strict';",
    "icon.svg": "<svg/>",
    "api/index.json": "{}",
    "notes.bin": "?",
}


@pytest.fixture
def site(store: Store) -> Store:
    """A store with a published site."""
    with store.slot("results_site", "all").publish() as draft:
        for name, text in PAGES.items():
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(text)
    (store.home / "secret.txt").write_text("secret")
    return store


@pytest.fixture
def served() -> Iterator[Callable[..., Listener]]:
    """A function that serves an application behind the guard, on a free port, until the test ends."""
    with ExitStack() as stack:

        def start(app: ASGIApp, *, is_read_only: bool = True) -> Listener:
            listener = listen(app, port=0, is_read_only=is_read_only, close=getattr(app, "close", None))
            stack.enter_context(_running(listener))
            return listener

        yield start


@contextmanager
def _running(listener: Listener) -> Iterator[None]:
    ready, loop = threading.Event(), asyncio.new_event_loop()
    task = loop.create_task(serve_forever([listener], when_ready=ready.set))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
        listener.socket.close()
