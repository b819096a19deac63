from pathlib import Path

import pytest

from tunix_ml.audits import NotAudited, audits, record_audit, require_audits
from tunix_ml.contracts.base import ContractError
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Store(tmp_path).slot("dataset", "golden-v2")


@pytest.fixture
def snapshot(slot: Slot) -> Snapshot:
    return publish(slot, "some traces")


def publish(slot: Slot, text: str) -> Snapshot:
    with slot.publish() as draft:
        (draft.path / "traces.txt").write_text(text)
    return draft.snapshot


def judge(slot: Slot, snapshot: Snapshot, check: str, *, passed: bool) -> None:
    record_audit(slot, snapshot.digest, check=check, passed=passed, description=f"{check} says {passed}")


def test_passed_checks_let_the_input_through(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=True)
    judge(slot, snapshot, "digest_matches", passed=True)

    assert require_audits(slot, snapshot, ["ids_are_unique", "digest_matches"]) is snapshot


def test_a_failed_check_stops_the_consumer_and_says_why(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=False)

    with pytest.raises(
        NotAudited, match=r"dataset of 'golden-v2' .* failed .*'ids_are_unique': ids_are_unique says"
    ):
        require_audits(slot, snapshot, ["ids_are_unique"])


def test_a_check_that_never_ran_stops_the_consumer_and_says_what_to_do(
    slot: Slot, snapshot: Snapshot
) -> None:
    judge(slot, snapshot, "digest_matches", passed=True)

    with pytest.raises(NotAudited, match=r"'ids_are_unique': run the checks of dataset first"):
        require_audits(slot, snapshot, ["digest_matches", "ids_are_unique"])


def test_a_later_verdict_replaces_the_earlier(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=False)
    judge(slot, snapshot, "ids_are_unique", passed=True)

    assert audits(slot, snapshot.digest)["ids_are_unique"].passed
    assert require_audits(slot, snapshot, ["ids_are_unique"])


def test_a_verdict_counts_for_its_own_content_only(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=True)
    other = publish(slot, "other traces")

    assert audits(slot, other.digest) == {}
    with pytest.raises(NotAudited, match=other.digest[:16]):
        require_audits(slot, other, ["ids_are_unique"])


def test_contents_that_share_a_prefix_do_not_share_verdicts(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=True)
    cousin = snapshot.digest[:-1] + ("0" if snapshot.digest[-1] != "0" else "1")

    assert audits(slot, cousin) == {}


def test_a_damaged_verdict_counts_for_nothing_until_the_check_runs_again(
    slot: Slot, snapshot: Snapshot
) -> None:
    for check in ("ids_are_unique", "digest_matches"):
        judge(slot, snapshot, check, passed=True)
    path = slot.path / "audits" / snapshot.digest[:16] / "ids_are_unique.json"
    path.write_bytes(path.read_bytes()[:20])

    assert require_audits(slot, snapshot, ["digest_matches"])
    with pytest.raises(NotAudited, match="has not been through the check 'ids_are_unique'"):
        require_audits(slot, snapshot, ["ids_are_unique"])
    judge(slot, snapshot, "ids_are_unique", passed=True)
    assert require_audits(slot, snapshot, ["ids_are_unique"])


def test_a_verdict_does_not_count_under_the_name_of_another_check(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "digest_matches", passed=True)
    directory = slot.path / "audits" / snapshot.digest[:16]
    (directory / "digest_matches.json").rename(directory / "ids_are_unique.json")

    assert audits(slot, snapshot.digest) == {}


@pytest.mark.parametrize("check", ["", "../../pointer", "a/b", "a.b", "x" * 129])
def test_a_name_that_is_no_file_name_is_refused(slot: Slot, snapshot: Snapshot, check: str) -> None:
    with pytest.raises(ContractError, match="is not a name of 1 to 128"):
        judge(slot, snapshot, check, passed=True)


def test_verdicts_are_no_part_of_the_artifact(slot: Slot, snapshot: Snapshot) -> None:
    judge(slot, snapshot, "ids_are_unique", passed=True)

    assert snapshot.verify() == []
    assert slot.resolve().digest == snapshot.digest
