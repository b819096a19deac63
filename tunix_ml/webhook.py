"""A message to a webhook: the address is read from the environment and told to nobody."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tunix_ml.contracts.base import TunixError

if TYPE_CHECKING:
    import httpx

WEBHOOK_VARIABLE = "TUNIX_WEBHOOK_URL"
_TIMEOUT_S = 5.0
_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.5


class WebhookFailed(TunixError):
    """The webhook took no message; the sentence does not hold its address, which may be a secret."""


def send_message(message: Mapping[str, str | None]) -> bool:
    """Post a message as JSON to the webhook of the environment; say False if there is none.

    It is tried three times, and never longer than about twenty seconds.

    Raises:
        WebhookFailed: nobody took it.
    """
    address = os.environ.get(WEBHOOK_VARIABLE)
    if not address:
        return False
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_FIRST_PAUSE_S * 2**attempt)
        problem, may_pass = _post(address, message)
        if problem is None:
            return True
        if not may_pass:
            break
    raise WebhookFailed(f"the webhook of ${WEBHOOK_VARIABLE} took no message: {problem}")


def _post(address: str, message: Mapping[str, str | None]) -> tuple[str | None, bool]:
    """Return what went wrong, None if nothing did, and whether it may pass."""
    import httpx  # noqa: PLC0415 - not at the load of the definitions

    try:
        # Streamed, as a body is of no interest and may never end.
        with (
            _unlogged("httpx"),
            httpx.stream("POST", address, json=dict(message), timeout=_TIMEOUT_S) as response,
        ):
            return _problem_of(response)
    except (httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        return type(error).__name__, isinstance(error, httpx.TransportError)


@contextlib.contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """Keep a logger from telling what it is about to do: it would write the address."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _problem_of(response: "httpx.Response") -> tuple[str | None, bool]:
    if response.is_success:
        return None, False
    return f"status {response.status_code}", response.status_code == 429 or response.is_server_error
