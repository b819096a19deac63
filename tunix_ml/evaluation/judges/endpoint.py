"""A judge behind an endpoint that speaks OpenAI's chat completions, wherever it runs."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeConfig, JudgeIdentity, JudgeReply

if TYPE_CHECKING:
    import httpx

MAX_REPLY_BYTES = 1 << 20
MAX_WAIT_S = 60.0
_FIRST_WAIT_S = 0.5
_NUM_TRIED_FIRST = 8
_TOO_MANY_REQUESTS = 429


class _Message(msgspec.Struct):
    content: str | None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None


class _ChatCompletion(msgspec.Struct):
    """The part of an answer that is read; what else an endpoint says is left alone."""

    choices: list[_Choice]
    model: str | None = None


class _Attempt(NamedTuple):
    """What one request gave; `wait_s` is what the endpoint asks to wait before the next."""

    reply: JudgeReply
    may_retry: bool = False
    wait_s: float = 0.0


class HttpJudge:
    """Asks an endpoint, several prompts at a time."""

    def __init__(
        self, config: JudgeConfig, identity: JudgeIdentity, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._config, self._identity, self._sleep = config, identity, sleep
        self._url = config.url.rstrip("/") + "/chat/completions"
        # A compressed answer could grow to any size in one step.
        self._headers = {"Accept-Encoding": "identity", **_authorization(config)}

    @property
    def identity(self) -> JudgeIdentity:
        """Everything that decides its verdicts."""
        return self._identity

    def judge(self, prompts: Sequence[str]) -> list[JudgeReply]:
        """Return a reply to each prompt.

        If none of the first ones is answered the others are not asked: an endpoint that is not there would be
        waited for thousands of times.
        """
        import httpx  # noqa: PLC0415 - not at the load of the definitions

        first = max(self._config.num_concurrent, _NUM_TRIED_FIRST)
        with (
            httpx.Client(
                headers=self._headers,
                timeout=self._config.timeout_s,
                limits=httpx.Limits(max_connections=None),
                follow_redirects=False,
            ) as client,
            ThreadPoolExecutor(self._config.num_concurrent) as pool,
        ):
            replies = list(pool.map(lambda prompt: self._ask(client, prompt), prompts[:first]))
            if any(reply.status in {"complete", "cut"} for reply in replies):
                return replies + list(pool.map(lambda prompt: self._ask(client, prompt), prompts[first:]))
        not_asked = JudgeReply("error", detail=f"not asked: none of the first {len(replies)} was answered")
        return replies + [not_asked] * (len(prompts) - len(replies))

    def _ask(self, client: "httpx.Client", prompt: str) -> JudgeReply:
        attempt, max_retries = self._attempt(client, prompt), self._config.max_retries
        for number in range(max_retries):
            if not attempt.may_retry:
                return attempt.reply
            self._sleep(min(max(_FIRST_WAIT_S * 2**number, attempt.wait_s), MAX_WAIT_S))
            attempt = self._attempt(client, prompt)
        if attempt.may_retry and max_retries:
            detail = f"{attempt.reply.detail}, {max_retries + 1} attempts"
            return msgspec.structs.replace(attempt.reply, detail=detail)
        return attempt.reply

    def _attempt(self, client: "httpx.Client", prompt: str) -> _Attempt:
        import httpx  # noqa: PLC0415 - not at the load of the definitions

        body = {
            "model": self._config.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": self._config.temperature,
            "max_tokens": self._config.max_tokens,
            "stream": False,
        }
        deadline = time.monotonic() + self._config.timeout_s
        try:
            with client.stream("POST", self._url, json=body) as response:
                if response.status_code != httpx.codes.OK:
                    return _refused(response)
                return _Attempt(_read(response, deadline=deadline))
        except (httpx.TimeoutException, TimeoutError):
            late = JudgeReply("timeout", detail=f"no answer within {self._config.timeout_s:g} s")
            return _Attempt(late, may_retry=True)
        except httpx.HTTPError as error:  # its text may hold what was sent
            return _Attempt(JudgeReply("error", detail=f"the connection failed: {type(error).__name__}"))


def _authorization(config: JudgeConfig) -> dict[str, str]:
    """Return the header with the key.

    Raises:
        ContractError: the variable that should hold the key does not.
    """
    if not config.api_key_env:
        return {}
    key = os.environ.get(config.api_key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ContractError(
            f"environment variable {config.api_key_env}, named by `api_key_env`, does not hold a key"
        )
    return {"Authorization": f"Bearer {key}"}


def _refused(response: "httpx.Response") -> _Attempt:
    """Return what a status other than 200 means; its body is not read, it may repeat what was sent."""
    status = response.status_code
    detail = f"HTTP status {status}" + (", redirects are not followed" if response.is_redirect else "")
    return _Attempt(
        JudgeReply("error", detail=detail),
        may_retry=status == _TOO_MANY_REQUESTS or response.is_server_error,
        wait_s=_retry_after(response.headers.get("Retry-After")),
    )


def _retry_after(value: str | None) -> float:
    """Return the seconds that an endpoint asks to wait, 0 where it says nothing that is understood.

    Source: RFC 9110, section 10.2.3: a number of seconds, or a date.
    """
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    in_utc = date if date.tzinfo else date.replace(tzinfo=UTC)
    return (in_utc - datetime.now(UTC)).total_seconds()


def _read(response: "httpx.Response", *, deadline: float) -> JudgeReply:
    """Return the reply of an answer, read up to a limit and before a deadline."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return JudgeReply("error", detail="the answer is compressed, which was not asked for")
    data = bytearray()
    for chunk in response.iter_raw():
        data += chunk
        if len(data) > MAX_REPLY_BYTES:
            return JudgeReply("error", detail=f"the answer has more than {MAX_REPLY_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return _parse(bytes(data))


def _parse(data: bytes) -> JudgeReply:
    try:
        found = msgspec.json.decode(data, type=_ChatCompletion)
    except msgspec.MsgspecError as error:
        return JudgeReply("error", detail=f"the answer is no chat completion: {error}"[:300])
    if len(found.choices) != 1:
        return JudgeReply("error", detail=f"the answer has {len(found.choices)} choices, expected one")
    choice = found.choices[0]
    text = choice.message.content
    if choice.finish_reason != "stop":
        return JudgeReply("cut", text, f"the reply was ended by {choice.finish_reason!r:.40}", found.model)
    return JudgeReply("complete", text, None, found.model)
