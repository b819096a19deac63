"""`tunix-rt serve`: the published site on this machine, and, guarded, Dagster's own pages."""

import contextlib
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from tunix_assets.cli.verbs import EXIT_DONE, Verbs, add_verb, tell

if TYPE_CHECKING:
    from pathlib import Path

    from tunix_assets.serving.server import Listener
    from tunix_ml.store import Store

_SITE_PORT, _DAGSTER_PORT = 8300, 8301


def add_verbs(verbs: "Verbs[ArgumentParser]") -> None:
    """Declare the verb of this module."""
    parser = add_verb(
        verbs,
        "serve",
        summary="the published site on 127.0.0.1, and with --dagster its own pages behind a guard",
        run=_serve,
        examples=["tunix-rt serve", "tunix-rt serve --dagster", "tunix-rt serve --dagster --no-read-only"],
    )
    parser.add_argument(
        "--port", type=int, default=_SITE_PORT, help=f"of the site; default {_SITE_PORT}, 0: any"
    )
    parser.add_argument(
        "--dagster", action="store_true", help="serve Dagster's pages too, on a port of their own"
    )
    parser.add_argument(
        "--dagster-port", type=int, default=_DAGSTER_PORT, help=f"of those; default {_DAGSTER_PORT}, 0: any"
    )
    writing = parser.add_mutually_exclusive_group()
    writing.add_argument(
        "--read-only",
        action="store_true",
        default=True,
        help="nothing can be launched or changed from Dagster's pages; so it is by default",
    )
    writing.add_argument(
        "--no-read-only",
        dest="read_only",
        action="store_false",
        help="runs can be launched from its own pages",
    )


def _serve(options: Namespace, store: "Store") -> int:
    from tunix_assets.cli.launch import instance_home
    from tunix_assets.serving.proxy import ProxyApp
    from tunix_assets.serving.server import listen, serve
    from tunix_assets.serving.site import SiteApp
    from tunix_assets.serving.webserver import web_server

    found = _require_instance(instance_home(store.home)) if options.dagster else None
    with contextlib.ExitStack() as stack:
        listeners = {"site": stack.enter_context(listen(SiteApp(store), port=options.port))}
        if found is not None:
            running = web_server(instance_home=found, home=store.home, is_read_only=options.read_only)
            proxy = ProxyApp(stack.enter_context(running).socket)
            listener = listen(
                proxy, port=options.dagster_port, is_read_only=options.read_only, close=proxy.close
            )
            listeners["dagster"] = stack.enter_context(listener)
        serve([*listeners.values()], when_ready=lambda: _told(options, listeners))
    return EXIT_DONE


def _told(options: Namespace, listeners: "dict[str, Listener]") -> None:
    import sys

    urls = {name: listener.url for name, listener in listeners.items()}
    text = "\n".join(f"{name}: {url}" for name, url in urls.items()) + "\nCtrl-C ends it"
    tell(options, record=urls, text=text)
    sys.stdout.flush()


def _require_instance(found: "Path | None") -> "Path":
    from tunix_ml.contracts.base import ContractError

    if found is None:
        raise ContractError("there is no Dagster instance: set DAGSTER_HOME, or start `make dev` once")
    return found
