"""The guard: it lets through what our own pages and local programs ask for, and refuses what other sites do.

A page of any site can make a browser send requests to 127.0.0.1. What gives them away: the name in `Host`
(after DNS rebinding it is the site's own), the `Origin`, and `Sec-Fetch-Site`. Dagster 1.13 looks at none of
them, takes mutations by GET, and reports of materializations from anybody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_READING = {"GET", "HEAD"}
_METHODS = _READING | {"POST"}
_FOREIGN = {"cross-site", "same-site"}  # another port of this machine is the same site, and another program
_REPORTS = "/report_asset_"
_GRAPHQL = "/graphql"


@dataclass(frozen=True)
class Guard:
    """Refuses requests before an application sees them.

    Attributes:
        app: what is guarded.
        port: where it is served.
        is_read_only: whether reports are refused from everybody.
    """

    app: ASGIApp
    port: int
    is_read_only: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or let the application answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await PlainTextResponse(f"{refusal}\n", status_code=403)(scope, receive, send)

    def refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, in a sentence; None if it is not."""
        headers = Headers(scope=scope)
        if not self._is_one_of(headers.getlist("host"), (f"{name}:{self.port}" for name in _NAMES)):
            return f"the host {headers.get('host', '')!r:.100} is not this server"
        origins = headers.getlist("origin")
        if origins and not self._is_one_of(origins, (f"http://{name}:{self.port}" for name in _NAMES)):
            return f"a page of {origins[0]!r:.100} asks, and only pages of this server may"
        if scope["type"] == "websocket":
            return None
        return self._refused_request(scope["method"], scope["path"], headers)

    def _refused_request(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        if method not in _METHODS:
            return f"the method {method!r:.20} is not served"
        if headers.get("sec-fetch-site") in _FOREIGN and not _is_visit(method, path, headers):
            return "a page of another site asks for more than to be followed by a link"
        if path.startswith(_GRAPHQL):
            return _refused_query(method, headers)
        if path.startswith(_REPORTS) and self.is_read_only:
            return "this server is read-only: nothing can be reported to it"
        return None

    @staticmethod
    def _is_one_of(found: list[str], allowed: Iterable[str]) -> bool:
        """Say whether there is exactly one value, and it is allowed."""
        return len(found) == 1 and found[0].lower() in set(allowed)


def _is_visit(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Say whether a link is followed to a page: the only thing another site may do."""
    is_page = not path.startswith((_GRAPHQL, _REPORTS))
    return method in _READING and is_page and headers.get("sec-fetch-mode") == "navigate"


def _refused_query(method: str, headers: Mapping[str, str]) -> str | None:
    """Return why a GraphQL request is refused: only JSON is taken, which no foreign form can send."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if method != "POST" or media_type != "application/json":
        return "GraphQL is taken by POST as application/json only"
    return None
