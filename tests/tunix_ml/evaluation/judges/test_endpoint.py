import gzip
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.judge import JudgeConfig, JudgeIdentity, JudgeReply
from tunix_ml.evaluation.judges.endpoint import MAX_REPLY_BYTES, MAX_WAIT_S, HttpJudge

KEY = "sk-very-secret-key"


class Answer(NamedTuple):
    """What the endpoint does with one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    before_s: float = 0.0
    between_bytes_s: float = 0.0


def completion(text: str | None, *, finish_reason: str | None = "stop", **fields: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return Answer(json.dumps({"model": "judge-7b-0613", "choices": [choice], **fields}).encode())


GOOD = completion("It is 5.\nCORRECT")


class Endpoint(ThreadingHTTPServer):
    """A real endpoint: each prompt has a script of answers, of which the last one is repeated."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: dict[str, list[Answer]] = {}
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_answer(self, prompt: str) -> Answer:
        with self.lock:
            script = self.scripts.get(prompt, [GOOD])
            return script.pop(0) if len(script) > 1 else script[0]

    def num_asked(self, prompt: str) -> int:
        return sum(body["messages"][0]["content"] == prompt for _, body in self.requests)


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((dict(self.headers) | {"path": self.path}, body))
        answer = self.server.next_answer(body["messages"][0]["content"])
        self.server.stopped.wait(answer.before_s)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for number in range(len(answer.body)) if answer.between_bytes_s else ():
            self.wfile.write(answer.body[number : number + 1])
            self.wfile.flush()
            if self.server.stopped.wait(answer.between_bytes_s):
                return
        if not answer.between_bytes_s:
            self.wfile.write(answer.body)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the judge has hung up, as it should where an answer is late or too long
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopped.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    """How long the judge has waited between attempts."""
    return []


@pytest.fixture
def judge_of(
    endpoint: Endpoint, waits: list[float], judge_identity: JudgeIdentity
) -> Callable[..., HttpJudge]:
    """A function that returns a judge behind the endpoint; it notes its waits instead of keeping them."""

    def make(**settings: Any) -> HttpJudge:
        values = {"judge": "mine", "model": "judge-7b", "url": endpoint.url, "timeout_s": 5.0, **settings}
        return HttpJudge(JudgeConfig(**values), judge_identity, sleep=waits.append)

    return make


def asked_once(judge: HttpJudge, prompt: str = "prompt") -> JudgeReply:
    (reply,) = judge.judge([prompt])
    return reply


# What is asked and what comes back


def test_a_prompt_is_put_as_a_users_message_and_the_reply_kept_as_written(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge]
) -> None:
    reply = asked_once(judge_of(max_tokens=99), "Is 5 right?\n| ünï {x}")

    ((headers, body),) = endpoint.requests
    assert reply == JudgeReply("complete", "It is 5.\nCORRECT", None, "judge-7b-0613")
    assert headers["path"] == "/v1/chat/completions"
    assert body == {
        "model": "judge-7b",
        "messages": [{"role": "user", "content": "Is 5 right?\n| ünï {x}"}],
        "temperature": 0.0,
        "max_tokens": 99,
        "stream": False,
    }


def test_replies_stand_in_the_order_of_the_prompts(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge]
) -> None:
    prompts = [f"prompt {number}" for number in range(20)]
    for number, prompt in enumerate(prompts):
        endpoint.scripts[prompt] = [completion(prompt)._replace(before_s=0.02 if number % 3 == 0 else 0.0)]

    replies = judge_of(num_concurrent=4, url=endpoint.url + "/").judge(prompts)

    assert [reply.text for reply in replies] == prompts


def test_no_prompts_have_no_replies(endpoint: Endpoint, judge_of: Callable[..., HttpJudge]) -> None:
    assert judge_of().judge([]) == []
    assert endpoint.requests == []


def test_a_judge_says_what_identifies_it(
    judge_of: Callable[..., HttpJudge], judge_identity: JudgeIdentity
) -> None:
    assert judge_of().identity == judge_identity


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
def test_a_reply_that_was_not_written_to_its_end_is_cut(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], reason: str | None
) -> None:
    endpoint.scripts["prompt"] = [completion("It is\nCORRECT", finish_reason=reason)]

    reply = asked_once(judge_of())

    assert (reply.status, reply.text) == ("cut", "It is\nCORRECT")
    assert reply.detail == f"the reply was ended by {reason!r}"


# What goes wrong with one prompt is said of it


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(b"{"), "the answer is no chat completion"),
        (Answer(b""), "the answer is no chat completion"),
        (Answer(b"\xff\xfe"), "the answer is no chat completion"),
        (Answer(b"[" * 5_000), "the answer is no chat completion"),
        (Answer(b'{"error": "overloaded"}'), "missing required field `choices`"),
        (Answer(b'{"choices": []}'), "has 0 choices, expected one"),
        (Answer(b'{"choices": [{"message": {"content": "CORRECT"}}]}'), "field `finish_reason`"),
        (Answer(b'{"choices": [{"message": {"content": 1}, "finish_reason": "stop"}]}'), "Expected `str"),
        (Answer(b'{"choices": [{"text": "CORRECT", "finish_reason": "stop"}]}'), "field `message`"),
        (Answer(GOOD.body + b" " * MAX_REPLY_BYTES), f"has more than {MAX_REPLY_BYTES} bytes"),
        (
            Answer(gzip.compress(GOOD.body), headers={"Content-Encoding": "gzip"}),
            "is compressed, which was not asked for",
        ),
        (Answer(status=400), "HTTP status 400"),
        (Answer(status=401), "HTTP status 401"),
        (Answer(status=404), "HTTP status 404"),
        (Answer(status=204), "HTTP status 204"),
        (Answer(status=302, headers={"Location": "http://127.0.0.1:1/v1"}), "redirects are not followed"),
        (Answer(status=307, headers={"Location": "/v1/chat/completions"}), "redirects are not followed"),
        (Answer(b"{", headers={"Content-Length": "100"}), "the connection failed: RemoteProtocolError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_answer_is_an_error_of_its_prompt_that_is_not_tried_again(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], answer: Answer, problem: str
) -> None:
    endpoint.scripts["bad"] = [answer]

    good, bad = judge_of(num_concurrent=2).judge(["good", "bad"])

    assert good.status == "complete"
    assert (bad.status, bad.text) == ("error", None)
    assert problem in str(bad.detail)
    assert endpoint.num_asked("bad") == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_endpoint_is_asked_again(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], waits: list[float], status: int
) -> None:
    endpoint.scripts["prompt"] = [Answer(status=status), Answer(status=status), GOOD]

    assert asked_once(judge_of()).status == "complete"
    assert waits == [0.5, 1.0]


def test_an_endpoint_that_stays_broken_is_given_up_after_the_retries(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], waits: list[float]
) -> None:
    endpoint.scripts["prompt"] = [Answer(status=500)]

    reply = asked_once(judge_of(max_retries=8))

    assert reply == JudgeReply("error", detail="HTTP status 500, 9 attempts")
    assert endpoint.num_asked("prompt") == 9
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, MAX_WAIT_S]


def test_without_retries_there_is_one_attempt(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], waits: list[float]
) -> None:
    endpoint.scripts["prompt"] = [Answer(status=500)]

    assert asked_once(judge_of(max_retries=0)).detail == "HTTP status 500"
    assert (endpoint.num_asked("prompt"), waits) == (1, [])


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [("7", 7.0), ("0", 0.5), ("86400", MAX_WAIT_S), ("soon", 0.5), ("-3", 0.5), ("1.5", 0.5), ("²", 0.5)],
)
def test_the_endpoint_may_say_how_long_to_wait_within_bounds(
    endpoint: Endpoint,
    judge_of: Callable[..., HttpJudge],
    waits: list[float],
    value: str,
    wait_s: float,
) -> None:
    endpoint.scripts["prompt"] = [Answer(status=429, headers={"Retry-After": value}), GOOD]

    assert asked_once(judge_of()).status == "complete"
    assert waits == [wait_s]


def test_the_endpoint_may_say_until_when_to_wait(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], waits: list[float]
) -> None:
    now = datetime.now(UTC)
    dates = [
        format_datetime(now + timedelta(seconds=30), usegmt=True),
        format_datetime(now - timedelta(days=1), usegmt=True),
        (now + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S"),
    ]
    endpoint.scripts["prompt"] = [
        *(Answer(status=503, headers={"Retry-After": date}) for date in dates),
        GOOD,
    ]

    assert asked_once(judge_of()).status == "complete"
    assert waits == [pytest.approx(30, abs=5), 1.0, pytest.approx(30, abs=5)]


def test_an_endpoint_that_hangs_is_a_timeout_after_the_retries(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge]
) -> None:
    endpoint.scripts["late"] = [GOOD._replace(before_s=30.0)]

    good, late = judge_of(timeout_s=0.2, max_retries=1).judge(["good", "late"])

    assert good.status == "complete"
    assert late == JudgeReply("timeout", detail="no answer within 0.2 s, 2 attempts")
    assert endpoint.num_asked("late") == 2


def test_an_endpoint_that_trickles_is_a_timeout_too(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge]
) -> None:
    endpoint.scripts["prompt"] = [GOOD._replace(between_bytes_s=0.05)]
    start = time.monotonic()

    reply = asked_once(judge_of(timeout_s=0.3, max_retries=0))

    assert reply.status == "timeout"
    assert time.monotonic() - start < 3.0


def test_an_endpoint_that_is_not_there_is_an_error_at_once(
    endpoint: Endpoint, judge_of: Callable[..., HttpJudge], waits: list[float]
) -> None:
    replies = judge_of(url="http://127.0.0.1:1/v1", num_concurrent=2).judge([str(i) for i in range(1000)])

    assert {reply.status for reply in replies} == {"error"}
    assert len(replies) == 1000
    assert replies[0].detail == "the connection failed: ConnectError"
    assert replies[-1].detail == "not asked: none of the first 8 was answered"
    assert waits == []


def test_a_few_failures_do_not_stop_the_rest(endpoint: Endpoint, judge_of: Callable[..., HttpJudge]) -> None:
    prompts = [str(number) for number in range(12)]
    endpoint.scripts.update({prompt: [Answer(status=400)] for prompt in prompts[:7]})

    replies = judge_of(num_concurrent=2).judge(prompts)

    assert [reply.status for reply in replies] == ["error"] * 7 + ["complete"] * 5


# The key


def test_the_key_is_sent_and_appears_nowhere_else(
    endpoint: Endpoint,
    judge_of: Callable[..., HttpJudge],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY + "\n")
    caplog.set_level(logging.DEBUG)
    echo = Answer(f"bad key {KEY}".encode(), status=401)
    endpoint.scripts["bad"] = [echo]

    replies = judge_of(api_key_env="JUDGE_KEY").judge(["good", "bad"])

    assert {headers["Authorization"] for headers, _ in endpoint.requests} == {f"Bearer {KEY}"}
    assert KEY not in repr(replies)
    assert KEY not in caplog.text


def test_without_a_variable_no_key_is_sent(endpoint: Endpoint, judge_of: Callable[..., HttpJudge]) -> None:
    asked_once(judge_of())

    ((headers, _),) = endpoint.requests
    assert "Authorization" not in headers


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "line\nbreak", "ключ"], ids=repr)
def test_a_variable_without_a_key_is_named_and_its_value_is_not(
    judge_of: Callable[..., HttpJudge], monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("JUDGE_KEY", value)

    with pytest.raises(ContractError) as refused:
        judge_of(api_key_env="JUDGE_KEY")

    assert str(refused.value) == (
        "environment variable JUDGE_KEY, named by `api_key_env`, does not hold a key"
    )
