"""The published site over HTTP: exactly its files, each verified, with a policy that lets nothing else in."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tunix_ml.snapshot import NotPublished, Snapshot, StoreError
from tunix_ml.store import Store

_TABLE, _KEY, _INDEX = "results_site", "all", "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".jsonl": "application/x-ndjson",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class SiteApp:
    """Serves the site that is current at each request; a name that it does not list is not there."""

    store: Store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file."""
        request = Request(scope, receive)
        response = await run_in_threadpool(self._response, request)
        await response(scope, receive, send)

    def _response(self, request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            return _told("the site is read by GET", status=405)
        try:
            snapshot = self.store.slot(_TABLE, _KEY).resolve()
            return self._file(request, snapshot)
        except NotPublished as error:
            return _told(f"{error}; run the job `results` first", status=404)
        except StoreError as error:
            return _told(str(error), status=500)

    def _file(self, request: Request, snapshot: Snapshot) -> Response:
        name = _name_of(request.scope["path"])
        if name not in snapshot.record.files:
            return _told(f"the site has no {name!r:.100}", status=404)
        tag = f'"{snapshot.record.files[name].sha256}"'
        headers = {**_HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        data = snapshot.file(name).read_bytes()
        media_type = _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
        return Response(data, headers={**headers, "Content-Type": media_type})


def _name_of(path: str) -> str:
    """Return the published name that a path means; it is looked up in the record, never on the disk."""
    name = path.removeprefix("/")
    return f"{name}{_INDEX}" if not name or name.endswith("/") else name


def _told(sentence: str, *, status: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=status, headers=_HEADERS)
