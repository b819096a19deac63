import socket
from collections.abc import Callable
from typing import Any

import pytest

from tunix_assets.serving import server


def test_a_port_that_is_taken_is_said_in_one_sentence(command: Callable[..., Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        answer = command("serve", "--port", str(server.port_of(taken)))

    assert answer.code == 1
    assert "cannot be listened on" in answer.err


def test_where_it_is_served_is_told_when_it_is(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ready_at_once(listeners: list[server.Listener], *, when_ready: Callable[[], object]) -> None:
        when_ready()

    monkeypatch.setattr(server, "serve", ready_at_once)

    assert command("serve", "--port", "0").out.startswith("site: http://127.0.0.1:")
    assert set(command("serve", "--port", "0", "--json").record) == {"site"}


def test_without_an_instance_there_are_no_pages_of_dagster(
    command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    answer = command("serve", "--port", "0", "--dagster")

    assert (answer.code, "there is no Dagster instance" in answer.err) == (1, True)
