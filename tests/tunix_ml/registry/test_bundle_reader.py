import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.registry.bundle import BUNDLE_FILE
from tunix_ml.registry.bundle_reader import (
    ENVIRONMENT,
    MANIFEST,
    SUMMARY,
    SUMS,
    CorruptBundle,
    extract_bundle,
    verify_bundle,
)
from tunix_ml.registry.tarball import write_tarball
from tunix_ml.slot import Slot

Members = dict[str, bytes]
REPORT = "eval/golden-v2.test/eval.json"


@pytest.fixture
def bundle(bundled: Callable[..., Slot]) -> Path:
    """A sound bundle."""
    return bundled().resolve().file(BUNDLE_FILE)


@pytest.fixture
def repacked(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that returns the bundle with its members changed; the checksums follow if told to."""

    def repack(change: Callable[[Members], object], *, relist: bool = False) -> Path:
        with tarfile.open(bundle) as tar:
            members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        change(members)
        if relist:
            names = sorted(name for name in members if name != SUMS)
            members[SUMS] = "".join(f"{sha256_hex(members[name])}  {name}\n" for name in names).encode()
        path = tmp_path / "two.tar.gz"
        write_tarball(path, list(members.items()), verify=lambda written: None)
        return path

    return repack


Repacked = Callable[..., Path]


def edited(name: str, **changes: Any) -> Callable[[Members], None]:
    def edit(members: Members) -> None:
        members[name] = json.dumps({**json.loads(members[name]), **changes}).encode()

    return edit


def test_a_sound_bundle_is_unpacked_whole_and_its_checksums_hold(bundle: Path, tmp_path: Path) -> None:
    evidence = extract_bundle(bundle, tmp_path / "unpacked")

    lines = (tmp_path / "unpacked" / SUMS).read_text().splitlines()
    sums = dict(reversed(line.split("  ")) for line in lines)
    files = [path for path in (tmp_path / "unpacked").rglob("*") if path.is_file() and path.name != SUMS]
    found = {path.relative_to(tmp_path / "unpacked").as_posix(): path.read_bytes() for path in files}
    assert {name: sha256_hex(data) for name, data in found.items()} == sums
    assert evidence.summary.score == 0.75


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda members: members.pop(SUMS), "it has no SHA256SUMS"),
        (lambda members: members.pop("README.md"), r"README\.md is missing"),
        (lambda members: members.update({"more.txt": b"x"}), r"more\.txt is not listed"),
        (lambda members: members.update({REPORT: b"{}"}), r"eval\.json has sha256 .*, listed is"),
        (lambda members: members.update({SUMS: b"nonsense\n"}), "has a line 'nonsense'"),
    ],
)
def test_a_file_that_is_not_as_listed_is_named(
    repacked: Repacked, change: Callable[[Members], object], said: str
) -> None:
    with pytest.raises(CorruptBundle, match=said):
        verify_bundle(repacked(change))


@pytest.mark.parametrize("name", [MANIFEST, SUMMARY, ENVIRONMENT])
def test_evidence_that_is_not_there_is_missed_even_where_it_is_not_listed(
    repacked: Repacked, name: str
) -> None:
    with pytest.raises(CorruptBundle, match=f"{name} is missing"):
        verify_bundle(repacked(lambda members: members.pop(name), relist=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited(MANIFEST, model_digest=None), r"has a null at \$\.model_digest"),
        (edited(SUMMARY, score=None), r"has a null at \$\.score"),
        (edited(ENVIRONMENT, packages={"jax": None}), r"has a null at \$\.packages\.jax"),
        (edited(MANIFEST, train={"stop": [None]}), r"has a null at \$\.train\.stop\.0"),
        (edited(ENVIRONMENT, more=1), "is not a Environment: more"),
        (lambda members: members.update({SUMMARY: b"{"}), "Expecting property name"),
    ],
)
def test_a_null_or_a_breach_in_the_evidence_is_named(
    repacked: Repacked, change: Callable[[Members], object], said: str
) -> None:
    with pytest.raises(CorruptBundle, match=said):
        verify_bundle(repacked(change, relist=True))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda members: members.update({"model/model.safetensors": b"other weights"}),
            "the model has content",
        ),
        (edited(REPORT, primary_score=1.0), "the report on golden-v2.test has content"),
        (lambda members: members.pop(REPORT), r"there are reports on \[\]"),
    ],
)
def test_files_that_the_evidence_is_not_about_are_named(
    repacked: Repacked, change: Callable[[Members], object], said: str
) -> None:
    with pytest.raises(CorruptBundle, match=said):
        verify_bundle(repacked(change, relist=True))


def test_another_score_in_the_summary_is_found_out(repacked: Repacked) -> None:
    def improve(members: Members) -> None:
        summary = json.loads(members[SUMMARY])
        summary["evaluation_sets"]["golden-v2.test"]["score"] = 1.0
        members[SUMMARY] = json.dumps(summary).encode()

    with pytest.raises(CorruptBundle, match=r"the report on golden-v2\.test is 0\.75 of .*, not 1\.0"):
        verify_bundle(repacked(improve, relist=True))


def test_a_flipped_byte_is_noticed_and_nothing_is_unpacked(bundle: Path, tmp_path: Path) -> None:
    data = bytearray(gzip.decompress(bundle.read_bytes()))
    data[data.index(b"the weights of")] ^= 1
    (tmp_path / "odd.tar.gz").write_bytes(gzip.compress(bytes(data)))

    with pytest.raises(CorruptBundle, match=r"model\.safetensors has sha256"):
        extract_bundle(tmp_path / "odd.tar.gz", tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()
