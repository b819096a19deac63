from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.slot import Slot
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store

Publish = Callable[..., Snapshot]


def test_rows_of_parquet_files_are_counted(slot: Slot) -> None:
    with slot.publish() as draft:
        pq.write_table(pa.table({"a": [1, 2, 3]}), draft.path / "traces.parquet")

    assert draft.snapshot.record.files["traces.parquet"].num_rows == 3


def test_the_digest_is_that_of_names_and_bytes(store: Store, publish: Publish) -> None:
    digests = [publish(store.slot(table, "all"), text).digest for table, text in ["ax", "bx", "cy"]]

    assert digests[0] == digests[1] != digests[2]


def test_the_caller_may_give_the_digest_at_once_or_on_the_draft(store: Store, publish: Publish) -> None:
    first = publish(store.slot("a", "all"), "text", content_digest="a" * 64)
    with store.slot("b", "all").publish() as draft:
        (draft.path / "one.txt").write_text("text")
        draft.content_digest = "b" * 64
        draft.parents["dataset"] = "c" * 64

    assert (first.digest, draft.snapshot.digest) == ("a" * 64, "b" * 64)
    assert store.slot("b", "all").resolve().record.parents == {"dataset": "c" * 64}


@pytest.mark.parametrize("digest", ["a" * 16, "A" * 64, "../" * 21 + "a", "a" * 64 + "\n"])
def test_a_digest_that_is_no_sha256_is_refused(slot: Slot, digest: str, publish: Publish) -> None:
    with pytest.raises(ContractError, match="is not a sha256 in hexadecimal"):
        publish(slot, "text", content_digest=digest)
    assert slot.pointer() is None


def test_a_draft_has_no_snapshot_inside_its_block(slot: Slot) -> None:
    with slot.publish() as draft:
        (draft.path / "one.txt").write_text("text")
        with pytest.raises(NotPublished, match="has not been published yet"):
            _ = draft.snapshot


# What cannot be published


def test_an_empty_draft_is_refused(slot: Slot) -> None:
    with pytest.raises(ContractError, match=r"dataset holds \[\], expected a file"), slot.publish() as draft:
        (draft.path / "empty").mkdir()
    assert slot.pointer() is None


def test_a_file_with_the_name_of_the_record_is_refused(slot: Slot) -> None:
    with pytest.raises(ContractError, match=r"not named artifact\.json"), slot.publish() as draft:
        (draft.path / "artifact.json").write_text("mine")
    assert slot.pointer() is None


def test_a_file_with_the_name_of_the_record_may_lie_deeper(slot: Slot) -> None:
    with slot.publish() as draft:
        (draft.path / "deep").mkdir()
        (draft.path / "deep" / "artifact.json").write_text("mine")

    assert slot.resolve().file("deep/artifact.json").read_text() == "mine"


@pytest.mark.parametrize("target", ["one.txt", "missing", "/etc/hostname", "."])
def test_links_are_refused(slot: Slot, target: str, publish: Publish) -> None:
    with pytest.raises(ContractError, match="link is a link or a device"):
        publish(slot, "text", meanwhile=lambda draft: (draft / "link").symlink_to(target))
    assert slot.pointer() is None
    assert list(slot.path.glob(".tmp-*")) == []
