"""The identities of rows as bytes: of a million rows they take some megabytes."""

import functools
import hashlib
from collections.abc import Iterator, Sequence

from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.trace import TRACE_ID_LENGTH, Split

ID_BYTES = TRACE_ID_LENGTH // 2
DIGEST_BYTES = hashlib.sha256().digest_size
_HEX_CHUNK = 10_000


def trace_ids(canonical: Sequence[bytes]) -> bytes:
    """Return the ids of traces, given their canonical JSON, one after the other."""
    sha256 = hashlib.sha256
    return b"".join([sha256(trace).digest()[:ID_BYTES] for trace in canonical])


def row_digests(canonical: Sequence[bytes], splits: Sequence[Split]) -> bytes:
    """Return the digests of content and split, one after the other."""
    sha256 = hashlib.sha256
    return b"".join(
        [
            sha256(b"%b%b}" % (_row_start(split), trace)).digest()
            for trace, split in zip(canonical, splits, strict=True)
        ]
    )


def pieces(identities: bytes, size: int) -> list[bytes]:
    """Return identities one by one."""
    return [identities[start : start + size] for start in range(0, len(identities), size)]


def dataset_digest(digests: bytes | bytearray) -> str:
    """Return what `set_digest` returns for these row digests, in the memory of a few copies of them."""
    digest = hashlib.sha256()
    for lines in _sorted_lines(digests):
        digest.update(lines)
    return digest.hexdigest()


@functools.cache
def _row_start(split: str) -> bytes:
    """Return what stands before the trace in the canonical form that a row's digest is taken over."""
    return canonical_json({"split": split, "trace": None}).removesuffix(b"null}")


def _sorted_lines(digests: bytes | bytearray) -> Iterator[bytes]:
    import numpy as np  # noqa: PLC0415 - not at the load of the definitions

    words = np.frombuffer(digests, dtype=">u8").reshape(-1, DIGEST_BYTES // 8)
    first = words[:, 0].astype(np.uint64)
    order = np.argsort(first)
    if (np.diff(first[order]) == 0).any():  # hardly ever: equal in 64 bits
        order = np.lexsort(words.T[::-1])
    for start in range(0, len(order), _HEX_CHUNK):
        chosen = words[order[start : start + _HEX_CHUNK]].tobytes()
        yield chosen.hex("\n", DIGEST_BYTES).encode() + b"\n"
