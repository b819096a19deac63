from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.contracts.canonical import canonical_json, set_digest, sha256_hex
from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Trace, TraceStep
from tunix_ml.datasets.identities import (
    DIGEST_BYTES,
    ID_BYTES,
    dataset_digest,
    pieces,
    row_digests,
    trace_ids,
)

TRACE = Trace("1.0", "Q", "A", (TraceStep(0, "t", "c"),), {"ä": 1.5})


@given(st.lists(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES), max_size=50))
def test_the_digest_of_a_dataset_is_the_set_digest_of_its_rows(digests: list[bytes]) -> None:
    assert dataset_digest(b"".join(digests)) == set_digest(digest.hex() for digest in digests)


def test_more_rows_than_are_written_at_once_have_the_set_digest_too() -> None:
    digests = [sha256_hex(str(number).encode()) for number in range(25_000)]

    assert dataset_digest(bytes.fromhex("".join(digests))) == set_digest(digests)


def test_digests_that_differ_in_their_last_byte_alone_are_sorted() -> None:
    digests = [bytes(31) + bytes([last]) for last in (200, 3, 0, 255, 3)]

    assert dataset_digest(b"".join(digests)) == set_digest(digest.hex() for digest in digests)


def test_ids_and_row_digests_are_those_of_the_contract() -> None:
    canonical = [canonical_json(TRACE.record())] * 3

    ids, digests = trace_ids(canonical), row_digests(canonical, SPLITS)

    assert [piece.hex() for piece in pieces(ids, ID_BYTES)] == [TRACE.trace_id()] * 3
    assert [piece.hex() for piece in pieces(digests, DIGEST_BYTES)] == [
        DatasetTrace("", split, TRACE, "", 1).row_digest() for split in SPLITS
    ]
