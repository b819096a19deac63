import json
import os
from pathlib import Path

import pytest

from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.quality.sensitive import (
    KINDS,
    find_sensitive,
    redact,
    redact_trace,
    sensitive_in_trace,
)

GSM8K = Path(os.environ.get("GSM8K_DIR") or Path(__file__).parents[5] / "shared" / "data" / "gsm8k")
# Put together here, so that no scanner takes this file for a leak.
KEYS = [
    "AKIA" + "Q3EGZXAMPLE4WXYZ",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 4,
    "glpat-" + "x1y2z3w4" * 3,
    "xoxb-" + "123456789012-abcdefgh",
    "sk_live_" + "4eC39HqLyjWDarjtT1zd",
    "sk-" + "abcD1234" * 6,
    "sk-ant-" + "api03-abcD1234" * 2,
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuv"[:35],
    "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "npm_" + "a1B2c3D4e5F6" * 3,
    "SG." + "abcdefghijklmnop1234" + "." + "abcdefghijklmnop1234",
    "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + ".abcdefghijk",
    "api_key: 'abcd1234efgh5678'",
    "Bearer abcdefgh12345678ijklmnop",
]


def kinds(text: str) -> list[str]:
    return [found.kind for found in find_sensitive(text)]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_known_form_is_found(key: str) -> None:
    assert kinds(f"My key is {key} and") == ["api_key"]


@pytest.mark.parametrize("name", ["", "RSA ", "OPENSSH ", "EC "])
def test_a_private_key_is_found_whole_or_begun(name: str) -> None:
    begin, end = (f"-----{word} {name}PRIVATE KEY-----" for word in ("BEGIN", "END"))

    assert redact(f"a {begin}\nMIIE\n{end} b").text == "a [private_key] b"
    assert kinds(f"a {begin}\nMIIE") == ["private_key"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://bob:s3cret@example.com/x", "password"),
        ("password = hunter2!", "password"),
        ("write to jo.doe+x@mail.example.co.uk now", "email"),
        ("call +49 30 1234567 today", "telephone"),
        ("call (212) 555-0147.", "telephone"),
        ("call 212-555-0147", "telephone"),
        ("pay with 4111 1111 1111 1111", "card_number"),
        ("pay with 5500-0000-0000-0004.", "card_number"),
        ("pay with 378282246310005", "card_number"),
        ("from 192.168.1.10:", "ip_address"),
        ("from 2001:db8::8a2e:370:7334 to", "ip_address"),
    ],
)
def test_a_password_and_personal_data_are_found(text: str, kind: str) -> None:
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "1234567890123456",
        "4111111111111111 + 2 = 4111111111111113",
        "1,234,567,890,123,456",
        "800-200-100 = 500",
        "900-300-2000= -1400",
        "He wrote 555 - 444 - 3333.",
        "The ratio is 1:2:3:4 and it is 12:30:45.",
        "300.1.1.1 and 1.2.3 and 127.0.0.1",
        "a@b and @home",
        "password: ",
        "task-force, disk-based-storage-solutions-of-today",
        "-----BEGIN PUBLIC KEY-----",
        "1000000 + 2500000 = 3500000",
    ],
)
def test_what_only_looks_a_little_like_it_is_let_alone(text: str) -> None:
    assert kinds(text) == []


def test_redaction_names_the_kind_and_counts() -> None:
    redacted = redact("a@example.com, b@example.com or 212-555-0147", kinds=("email",))

    assert redacted.text == "[email], [email] or 212-555-0147"
    assert redacted.counts == {"email": 2}
    assert redact("nothing here").text == "nothing here"


def test_a_redacted_trace_holds_nothing_more_and_is_another() -> None:
    mail = "ann@example.com"
    before = Trace(
        "1.0",
        f"Who is {mail}?",
        mail,
        (TraceStep(0, "lookup", f"It is {mail}."),),
        {"author": {"mails": [mail], "age": 7}},
    )

    after, counts = redact_trace(before)

    assert counts == {"email": 4}
    assert list(sensitive_in_trace(after)) == []
    assert after.meta == {"author": {"mails": ["[email]"], "age": 7}}
    assert after.trace_id() != before.trace_id()
    assert redact_trace(after) == (after, {})


def test_what_is_found_in_a_trace_is_told_by_its_place() -> None:
    trace = Trace("1.0", "Q", "A", (TraceStep(0, "r", "to a@example.com"),), {"by": ["b@example.com"]})

    found = [(name, hit.kind, hit.start, hit.end) for name, hit in sensitive_in_trace(trace)]

    assert found == [("steps[0]", "email", 3, 16), ("meta.by[0]", "email", 0, 13)]


def test_every_kind_has_an_example_here() -> None:
    assert set(KINDS) == {
        "api_key",
        "private_key",
        "password",
        "email",
        "telephone",
        "card_number",
        "ip_address",
    }


@pytest.mark.skipif(not (GSM8K / "train.jsonl").exists(), reason="GSM8K is not here: set GSM8K_DIR")
@pytest.mark.parametrize("name", ["train", "test"])
def test_the_numbers_of_gsm8k_are_no_secrets(name: str) -> None:
    records = [json.loads(line) for line in (GSM8K / f"{name}.jsonl").read_bytes().splitlines()]

    assert [hit for record in records for text in record.values() for hit in find_sensitive(text)] == []
