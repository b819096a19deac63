import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


def test_a_whole_store_is_said_to_be(golden: Snapshot, command: Callable[..., Any]) -> None:
    answer = command("verify")

    assert (answer.code, answer.out) == (0, "1 artifacts looked at, 0 problems\n")
    assert command("verify", "dataset", "golden-v2", "--json").record == {"num_artifacts": 1, "problems": []}


def test_damage_has_a_code_of_its_own_and_names_the_file(
    golden: Snapshot, command: Callable[..., Any]
) -> None:
    (golden.path / "manifest.json").write_text("{}")

    answer = command("verify", "dataset", "--json")

    assert answer.code == 3
    assert "manifest.json has sha256" in answer.record["problems"][0]


def test_a_log_of_the_registry_that_was_changed_is_damage(store: Store, command: Callable[..., Any]) -> None:
    folder = store.home / "registry" / "best" / "events"
    folder.mkdir(parents=True)
    (folder / "00000001.json").write_text("{}")
    assert "it was changed" in command("verify").out
    with store.slot("registered_model", "all").publish() as draft:
        (draft.path / "registry.json").write_text("{}")
    (draft.snapshot.path / "registry.json").write_text("[]")

    answer = command("verify")

    assert answer.code == 3
    assert "the heads of the logs cannot be read" in answer.out


def test_a_slot_that_there_is_not_is_no_success(golden: Snapshot, command: Callable[..., Any]) -> None:
    answer = command("verify", "dataset", "golden-v9")

    assert (answer.code, answer.err) == (1, "tunix-rt: nothing is published as dataset of golden-v9\n")
    assert command("verify", "--run", "none").code == 1


@pytest.fixture
def unused(store: Store) -> Path:
    """A content that another one has replaced two days ago."""
    slot = store.slot("notes", "a-v1")
    for text in ("one", "two"):
        with slot.publish() as draft:
            (draft.path / "note.txt").write_text(text)
        if text == "one":
            first = draft.snapshot.path
    os.utime(first, (time.time() - 2 * 86_400,) * 2)
    return first


def test_a_collection_only_names_what_it_would_delete_until_told_yes(
    unused: Path, command: Callable[..., Any]
) -> None:
    spared = command("gc", "--grace-hours", "72", "--json")
    named = command("gc", "--json")

    assert spared.record["entries"] == []
    assert (named.record["entries"], named.record["is_deleted"]) == ([str(unused)], False)
    assert named.record["num_bytes"] > 0
    assert unused.exists()
    deleted = command("gc", "--yes")
    assert deleted.out.splitlines()[0] == str(unused)
    assert not unused.exists()


def test_a_grace_of_nothing_is_refused(command: Callable[..., Any]) -> None:
    assert "is not above 0" in command("gc", "--grace-hours", "0", "--yes").err
