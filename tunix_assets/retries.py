"""What is tried again: a failure that may pass by itself, three times, a little later each time.

A lease that another process holds, a worker that was killed, a network that did not answer. Everything else
fails at once: it would fail again.
"""

import sys

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError  # exported nowhere else, as of 1.13

from tunix_ml.contracts.base import TunixError

RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)
_MAY_PASS = (ConnectionError, TimeoutError, DagsterPipesExecutionError)


def may_pass(error: Exception) -> bool:
    """Say whether the same work may succeed if it is tried again."""
    if isinstance(error, TunixError):
        return error.may_pass
    return isinstance(error, (*_MAY_PASS, *_network_errors()))


def _network_errors() -> tuple[type[Exception], ...]:
    """Return the errors of the client of networks; where it was never loaded there can be none."""
    httpx = sys.modules.get("httpx")
    return (httpx.TransportError,) if httpx else ()
