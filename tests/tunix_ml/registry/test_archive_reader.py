import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.archive import ArchiveManifest
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest, sha256_hex
from tunix_ml.registry.archive import export_archive
from tunix_ml.registry.archive_reader import CorruptArchive, extract_archive, verify_archive
from tunix_ml.registry.models import read_registered
from tunix_ml.registry.policy import Scope
from tunix_ml.registry.promotion import register_new
from tunix_ml.store import Store

Members = dict[str, bytes]
SCOPE = Scope("golden-v2.test", "answers")


@pytest.fixture
def archive(
    store: Store, contender: Callable[..., str], rows: Callable[[], list[Any]], tmp_path: Path
) -> Path:
    """The archive of a version that was registered."""
    contender("one")
    model = read_registered(store, "golden-v2.test")
    model = register_new(store, model, rows(), scope=SCOPE, actor="ada")
    export_archive(store, "golden-v2.test", tmp_path / "one.tar", version=next(iter(model.versions)))
    return tmp_path / "one.tar"


@pytest.fixture
def repack(archive: Path, tmp_path: Path) -> Callable[..., Path]:
    """A function that returns the archive with its members changed; the manifest follows if it is told to."""

    def make(change: Callable[[Members], object], *, relist: bool = False, **stated: Any) -> Path:
        with tarfile.open(archive) as tar:
            members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
        change(members)
        if relist or stated:
            manifest = ArchiveManifest.parse(members["MANIFEST.json"], subject="it").model_dump(mode="json")
            listed = {name: listing(data) for name, data in members.items() if name != "MANIFEST.json"}
            changed = ArchiveManifest.model_validate({**manifest, "members": listed, **stated})
            members["MANIFEST.json"] = changed.to_json()
        return pack(tmp_path / "two.tar", [(header(name, data), data) for name, data in members.items()])

    return make


Repack = Callable[..., Path]


def listing(data: bytes) -> dict[str, Any]:
    return {"sha256": sha256_hex(data), "num_bytes": len(data)}


def header(name: str, data: bytes = b"", **fields: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def pack(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def changed_weights(members: Members) -> None:
    members["model/model.safetensors"] += b"!"


def test_a_sound_archive_is_unpacked_whole(archive: Path, tmp_path: Path) -> None:
    manifest = extract_archive(archive, tmp_path / "unpacked")

    files = {
        path.relative_to(tmp_path / "unpacked").as_posix()
        for path in (tmp_path / "unpacked").rglob("*")
        if path.is_file()
    }
    assert files == {"MANIFEST.json", *manifest.members}
    assert all(
        sha256_hex((tmp_path / "unpacked" / name).read_bytes()) == file.sha256
        for name, file in manifest.members.items()
    )


def test_a_changed_member_is_named(repack: Repack) -> None:
    with pytest.raises(CorruptArchive, match=r"model/model\.safetensors has sha256 .*, listed is "):
        verify_archive(repack(changed_weights))


def test_a_missing_member_is_named(repack: Repack) -> None:
    with pytest.raises(CorruptArchive, match=r"eval/eval\.json is missing"):
        verify_archive(repack(lambda members: members.pop("eval/eval.json")))


def test_a_member_that_is_not_listed_is_named(repack: Repack) -> None:
    with pytest.raises(CorruptArchive, match=r"model/more\.bin is not listed"):
        verify_archive(repack(lambda members: members.update({"model/more.bin": b"x"})))


def test_another_model_under_a_new_manifest_is_found_out(repack: Repack) -> None:
    with pytest.raises(CorruptArchive, match=r"the model is version .*, stated is "):
        verify_archive(repack(changed_weights, relist=True))


def test_another_model_under_another_version_is_unknown_to_the_log(repack: Repack) -> None:
    members: Members = {}
    repack(lambda found: (changed_weights(found), members.update(found)))
    version = record_digest(
        {
            name.removeprefix("model/"): sha256_hex(data)
            for name, data in members.items()
            if name.startswith("model/")
        }
    )

    with pytest.raises(CorruptArchive, match=f"the log knows no version {version}"):
        verify_archive(repack(changed_weights, version=version))


def test_another_score_under_a_new_manifest_is_found_out(repack: Repack) -> None:
    def improve(members: Members) -> None:
        members["eval/eval.json"] = members["eval/eval.json"].replace(b'"n_scored":', b'"n_scored":1')

    with pytest.raises(CorruptArchive, match=r"eval/eval\.json is not the report .* of the log"):
        verify_archive(repack(improve, relist=True))


def test_a_changed_log_is_found_out(repack: Repack) -> None:
    def change(members: Members) -> None:
        members["events/00000001.json"] = members["events/00000001.json"].replace(b"ada", b"bob")

    with pytest.raises(CorruptArchive, match=r"events/00000001\.json was changed"):
        verify_archive(repack(change, relist=True))


def test_a_log_with_an_event_that_could_not_be_is_found_out(repack: Repack) -> None:
    def change(members: Members) -> None:
        name = "events/00000001.json"
        members[name] = members[name].replace(b'"kind":"register"', b'"kind":"promote"')

    def head(members: Members) -> dict[str, Any]:
        change(members)
        return {"sequence": 1, "event_digest": sha256_hex(members["events/00000001.json"])}

    stated: dict[str, Any] = {}
    repack(lambda members: stated.update(head(members)))

    with pytest.raises(CorruptArchive, match="cannot have been"):
        verify_archive(repack(change, head=stated))


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "model/../../evil", "model/./evil", "..", "a//b", "a\\b"]
)
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, archive: Path, name: str) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(header(name, b"evil"), io.BytesIO(b"evil"))

    with pytest.raises(CorruptArchive, match="would be written outside of the folder"):
        extract_archive(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "MANIFEST.json"},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.CHRTYPE},
    ],
)
def test_only_plain_files_are_unpacked(tmp_path: Path, archive: Path, fields: dict[str, Any]) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(header("model/odd", **fields))

    with pytest.raises(CorruptArchive, match="'model/odd' is a link, a folder or a device"):
        extract_archive(archive, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_a_member_that_stands_there_twice_is_refused(archive: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(header("eval/eval.json", b"{}"), io.BytesIO(b"{}"))

    with pytest.raises(CorruptArchive, match=r"'eval/eval\.json' is there twice"):
        verify_archive(archive)


def test_something_behind_the_last_member_is_found(archive: Path) -> None:
    with archive.open("ab") as file:
        file.write(b"\0" * 512 + b"hidden")

    with pytest.raises(CorruptArchive, match="something stands behind its last member"):
        verify_archive(archive)


@pytest.mark.parametrize("num_bytes", [1, 600, 5_000])
def test_an_archive_that_was_cut_off_is_refused(archive: Path, num_bytes: int) -> None:
    with tarfile.open(archive) as tar:
        *_, last = tar.getmembers()
    os.truncate(archive, last.offset_data + last.size - num_bytes)

    with pytest.raises(CorruptArchive):
        verify_archive(archive)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.tar").write_bytes(content)

    with pytest.raises(CorruptArchive, match=r"odd\.tar has no MANIFEST\.json"):
        verify_archive(tmp_path / "odd.tar")


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "odd.tar", [(header("MANIFEST.json", b"{}"), b"{}")])

    with pytest.raises(CorruptArchive, match=r"MANIFEST\.json is not a ArchiveManifest"):
        verify_archive(path)


def test_every_flipped_byte_of_a_member_or_header_is_noticed_or_of_no_account(archive: Path) -> None:
    data, manifest = archive.read_bytes(), verify_archive(archive)

    for position in range(0, len(data), 997):
        archive.write_bytes(data[:position] + bytes([data[position] ^ 0x55]) + data[position + 1 :])
        try:
            assert verify_archive(archive) == manifest  # padding, or a field of a header that says nothing
        except CorruptArchive:
            continue


def test_an_existing_folder_is_not_unpacked_into(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "unpacked").mkdir()

    with pytest.raises(ContractError, match="exists already"):
        extract_archive(archive, tmp_path / "unpacked")
