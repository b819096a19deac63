"""Secrets and personal data in texts, by the forms they are written in; and texts without them.

Only forms that hardly anything else has are looked for, and each is held against its own rule (check digits,
ranges), because a mathematical text is full of digits.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import msgspec

from tunix_ml.contracts.trace import Trace, TraceStep

API_KEY, PRIVATE_KEY, PASSWORD = "api_key", "private_key", "password"
EMAIL, TELEPHONE, CARD_NUMBER, IP_ADDRESS = "email", "telephone", "card_number", "ip_address"
SECRETS = (API_KEY, PRIVATE_KEY, PASSWORD)
PERSONAL_DATA = (EMAIL, TELEPHONE, CARD_NUMBER, IP_ADDRESS)
KINDS = (*SECRETS, *PERSONAL_DATA)


class Sensitive(NamedTuple):
    """Something that should not be in a text, and where: it is never repeated, only its place is told."""

    kind: str
    start: int
    end: int


class Redacted(NamedTuple):
    """A text with `[kind]` in place of what should not be in it, and how often that was done, by kind."""

    text: str
    counts: Counter[str]


class RedactedTrace(NamedTuple):
    """A trace with every text redacted, the texts of its meta included."""

    trace: Trace
    counts: Counter[str]


# What none of these stands in is neither matched against the costly pattern nor split.
_MARK = re.compile(r"[@:]|-----BEGIN|(?i:passw|pwd)|\d[\d .()\u2010-\u2015-]{6}|[A-Za-z0-9_-]{16}")
_KEYS = (
    r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # Amazon
    r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[\w-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T\w+/B\w+/\w+",
    r"[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"sk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic, OpenRouter
    r"AIza[\w-]{35}|ya29\.[\w-]{20,}",  # Google
    r"hf_[A-Za-z]{30,}",
    r"npm_[A-Za-z0-9]{36}|pypi-AgEIcHlwaS5vcmc[\w-]{50,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",  # SendGrid
    r"dop_v1_[a-f0-9]{64}|dckr_pat_[\w-]{20,}|sq0(?:atp|csp)-[\w-]{22,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}",  # JSON Web Token
    r"AccountKey=[A-Za-z0-9+/]{60,}={0,2}",  # Azure
    r"\d{8,10}:AA[\w-]{33}",  # Telegram
)
_NAMED = r"(?:api|access|auth|secret|private)[ _-]?(?:key|token)"
_PATTERN = re.compile(
    "|".join(
        (
            r"(?P<private_key>-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[\s\S]{0,20000}?-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)?)",
            rf"(?P<api_key>(?<![\w-])(?:{'|'.join(_KEYS)}))",
            rf"(?P<api_key_2>(?i:{_NAMED})[\"']?\s*[:=]\s*[\"']?(?=[\w/+.-]*\d)[\w/+.-]{{16,}}={{0,2}})",
            r"(?P<api_key_3>(?i:bearer) (?=[\w.~+/-]*\d)[\w.~+/-]{20,}=*)",
            r"(?P<password>(?<=://)[^\s/:@]{1,64}:[^\s/:@]{1,64}(?=@))",
            r"(?P<password_2>(?i:\b(?:password|passwd|pwd)\b)[\"']?\s*[:=]\s*[\"']?(?=\S*[\d\W_])[^\s\"']{6,})",
            r"(?P<email>(?<![\w.+-])"
            r"[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![\w-]))",
            r"(?P<ip_address>(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d))",
            r"(?P<ip_address_2>(?<![\w:.])(?:[0-9A-Fa-f]{1,4})?(?::{1,2}[0-9A-Fa-f]{1,4}){3,7}(?![\w:]))",
            r"(?P<card_number>(?<![\w.,$€£=*/+-])"
            r"(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{5}"
            r"|\d{13,19})(?![\w]|[.,]\d|\s*[-+*/=\u00d7\u00f7]))",
            r"(?P<telephone>(?<![\w.,$€£=*/+)-])"
            r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}(?![\w]|[.,]\d|\s*[=*/+\u00d7\u00f7]))",
            r"(?P<telephone_2>(?<![\w.,$€£=*/+)-])"
            r"(?<![-+*/=\u00d7\u00f7] )(?:\+?1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])"
            r"[2-9]\d{2}[-.]\d{4}(?![\w]|[.,]\d|\s*[-+*/=\u00d7\u00f7]))",
        )
    )
)


def find_sensitive(text: str) -> Iterator[Sensitive]:
    """Yield what should not stand in a text, in its order."""
    if not _MARK.search(text):
        return
    for match in _PATTERN.finditer(text):
        kind = str(match.lastgroup).rstrip("_0123456789")
        is_real = _RULES.get(kind)
        if is_real is None or is_real(match[0]):
            yield Sensitive(kind, *match.span())


def redact(text: str, *, kinds: Collection[str] = KINDS) -> Redacted:
    """Return a text with everything of these kinds replaced by the name of its kind, `[email]`."""
    counts: Counter[str] = Counter()
    parts, end = [], 0
    for found in find_sensitive(text):
        if found.kind in kinds:
            parts += [text[end : found.start], f"[{found.kind}]"]
            counts[found.kind] += 1
            end = found.end
    return Redacted("".join([*parts, text[end:]]), counts)


def redact_trace(trace: Trace, *, kinds: Collection[str] = KINDS) -> RedactedTrace:
    """Return a trace with every text of it redacted; its identity changes if anything was found."""
    counts: Counter[str] = Counter()

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            redacted = redact(value, kinds=kinds)
            counts.update(redacted.counts)
            return redacted.text
        if isinstance(value, dict):
            return {key: clean(inner) for key, inner in value.items()}
        return [clean(inner) for inner in value] if isinstance(value, list | tuple) else value

    cleaned = msgspec.structs.replace(
        trace,
        prompt=clean(trace.prompt),
        final_answer=clean(trace.final_answer),
        steps=tuple(TraceStep(step.i, step.type, clean(step.content)) for step in trace.steps),
        meta=clean(trace.meta),
    )
    return RedactedTrace(cleaned, counts)


def sensitive_in_trace(trace: Trace) -> Iterator[tuple[str, Sensitive]]:
    """Yield the name of a text of a trace, `steps[2]` or `meta.author`, and what should not stand in it."""
    for name, text in _texts(trace):
        for found in find_sensitive(text):
            yield name, found


def _texts(trace: Trace) -> Iterator[tuple[str, str]]:
    yield "prompt", trace.prompt
    for index, step in enumerate(trace.steps):
        yield f"steps[{index}]", step.content
    yield "final_answer", trace.final_answer
    yield from _texts_in("meta", trace.meta)


def _texts_in(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts_in(f"{name}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts_in(f"{name}[{index}]", inner)


def _is_card_number(text: str) -> bool:
    """Say whether digits are a card's: of a known issuer, of its length, with the right check digit.

    Source: ISO/IEC 7812-1, annex B, the check digit of Luhn.
    """
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return _ISSUER.fullmatch("".join(map(str, digits))) is not None and (
        (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
    )


_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12,15}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"  # JCB
    r"|3(?:0[0-5]|[68]\d)\d{11,16}"  # Diners Club
    r"|62\d{14,17}"  # UnionPay
)


def _is_telephone(text: str) -> bool:
    """Say whether there are as many digits as an international number has.

    Source: ITU-T E.164, at most 15.
    """
    return 8 <= sum(char.isdigit() for char in text) <= 15


def _is_ip_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


_RULES: dict[str, Callable[[str], bool]] = {
    CARD_NUMBER: _is_card_number,
    TELEPHONE: _is_telephone,
    IP_ADDRESS: _is_ip_address,
}
