import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import httpx
import pytest
from starlette.responses import PlainTextResponse

from tunix_assets.serving.server import HOST, Listener, PortTaken, listen, port_of

TWO = """
from starlette.responses import PlainTextResponse
from tunix_assets.serving.server import listen, serve
both = [listen(PlainTextResponse(name), port=0) for name in ("one", "two")]
serve(both, when_ready=lambda: print(*(listener.url for listener in both), flush=True))
"""


def test_each_port_has_its_own_application_and_an_interrupt_ends_both() -> None:
    with subprocess.Popen([sys.executable, "-c", TWO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        urls = process.stdout.readline().split()

        answers = [httpx.get(url, trust_env=False).text for url in urls]
        process.send_signal(signal.SIGINT)

        assert answers == ["one", "two"]
        assert process.wait(30) == 0


def test_it_listens_on_this_machine_alone(served: Callable[..., Listener]) -> None:
    listener = served(PlainTextResponse("here"))

    assert listener.socket.getsockname()[0] == HOST == "127.0.0.1"
    assert threading.active_count() >= 2


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()

        with pytest.raises(PortTaken, match=f"port {port_of(taken)} of 127.0.0.1 cannot be listened on"):
            listen(PlainTextResponse("never"), port=port_of(taken))
