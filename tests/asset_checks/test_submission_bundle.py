import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asset_checks.outcome import Subject
from asset_checks.submission_bundle import bundle_is_whole, evidence_has_no_null, evidence_is_of_these_files
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.registry.bundle import BUNDLE_FILE
from tunix_ml.registry.bundle_reader import MANIFEST, SUMMARY, SUMS
from tunix_ml.registry.tarball import write_tarball
from tunix_ml.slot import Slot

Members = dict[str, bytes]
CHECKS = (bundle_is_whole, evidence_has_no_null, evidence_is_of_these_files)


def repack(change: Callable[[Members], object], *, relist: bool = False) -> Callable[[Path], None]:
    """Return an edit of a bundle's folder that packs the archive anew with its members changed."""

    def edit(folder: Path) -> None:
        with tarfile.open(folder / BUNDLE_FILE) as tar:
            members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        change(members)
        if relist:
            names = sorted(name for name in members if name != SUMS)
            members[SUMS] = "".join(f"{sha256_hex(members[name])}  {name}\n" for name in names).encode()
        write_tarball(folder / BUNDLE_FILE, list(members.items()), verify=lambda written: None)

    return edit


def edited(name: str, **changes: Any) -> Callable[[Members], None]:
    def edit(members: Members) -> None:
        members[name] = json.dumps({**json.loads(members[name]), **changes}).encode()

    return edit


def test_a_sound_bundle_passes_all(bundled: Callable[..., Slot], subject_of: Callable[..., Subject]) -> None:
    subject = subject_of(bundled())

    assert [check(subject).description for check in CHECKS if not check(subject).passed] == []


def test_a_file_that_differs_from_its_checksum_is_found(
    bundled: Callable[..., Slot], tampered: Callable[..., Subject]
) -> None:
    subject = tampered(bundled(), repack(lambda members: members.update({"README.md": b"nothing"})))

    outcome = bundle_is_whole(subject)

    assert not outcome.passed
    assert "README.md has sha256" in outcome.description


def test_a_missing_file_is_found(bundled: Callable[..., Slot], tampered: Callable[..., Subject]) -> None:
    subject = tampered(bundled(), repack(lambda members: members.pop("model/model.safetensors")))

    assert "model/model.safetensors is missing" in bundle_is_whole(subject).description


@pytest.mark.parametrize("name", [MANIFEST, SUMMARY])
def test_a_null_in_the_evidence_is_found(
    bundled: Callable[..., Slot], tampered: Callable[..., Subject], name: str
) -> None:
    subject = tampered(bundled(), repack(edited(name, run_id=None), relist=True))

    assert f"{name} has a null at $.run_id" in evidence_has_no_null(subject).description
    assert not evidence_is_of_these_files(subject).passed
    assert bundle_is_whole(subject).passed


def test_predictions_other_than_the_published_ones_are_found(
    bundled: Callable[..., Slot], tampered: Callable[..., Subject]
) -> None:
    name = "predictions/golden-v2.test/predictions.jsonl"
    subject = tampered(bundled(), repack(lambda members: members.update({name: b"{}"}), relist=True))

    assert f"{name} is not the published one" in evidence_is_of_these_files(subject).description


def test_a_bundle_of_another_dataset_version_is_found(
    bundled: Callable[..., Slot], tampered: Callable[..., Subject]
) -> None:
    subject = tampered(bundled(), repack(edited(MANIFEST, dataset_version="golden-v1"), relist=True))

    assert "is of golden-v1" in evidence_is_of_these_files(subject).description
