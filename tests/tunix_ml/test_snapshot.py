from collections.abc import Callable

import pytest

from tunix_ml.slot import Slot
from tunix_ml.snapshot import CorruptArtifact, NotPublished, Snapshot

Publish = Callable[..., Snapshot]


def test_a_file_is_read_only_as_it_was_published(slot: Slot, publish: Publish) -> None:
    snapshot = publish(slot, "text")
    assert snapshot.file("one.txt").read_text() == "text"

    (snapshot.path / "one.txt").write_text("changed")

    with pytest.raises(CorruptArtifact, match="materialize dataset of 'golden-v2' again"):
        snapshot.file("one.txt")
    assert snapshot.file("deep/er/two.txt").read_text() == "texttext"


def test_a_file_that_was_never_published_cannot_be_asked_for(slot: Slot, publish: Publish) -> None:
    with pytest.raises(
        NotPublished, match=r"has no file 'three.txt', it has \['deep/er/two.txt', 'one.txt'\]"
    ):
        publish(slot, "text").file("three.txt")
