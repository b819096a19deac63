import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.registry.tarball import Contents, described, read_tarball, unpack_tarball, write_tarball

MEMBERS = [("a.txt", b"one"), ("b/c.txt", b"two")]


@pytest.fixture(params=["it.tar", "it.tar.gz"])
def tarball(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tar file of two members, plain or compressed."""
    path = tmp_path / str(request.param)
    write_tarball(path, MEMBERS, verify=lambda written: None)
    return path


def read(path: Path) -> Contents:
    return read_tarball(path, keep=lambda name: name == "a.txt")


def test_what_was_written_is_read_with_its_digests(tarball: Path) -> None:
    contents = read(tarball)

    assert contents.files == {name: described(data) for name, data in MEMBERS}
    assert contents.kept == {"a.txt": b"one"}
    assert contents.problems == []


def test_the_same_members_give_the_same_bytes_under_another_name(tarball: Path, tmp_path: Path) -> None:
    other = tmp_path / f"other{tarball.suffix}"
    write_tarball(other, MEMBERS, verify=lambda written: None)

    assert other.read_bytes() == tarball.read_bytes()


def test_a_file_and_bytes_are_described_alike(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")

    assert described(tmp_path / "file") == described(b"one")


def test_what_is_refused_after_it_was_written_gets_no_name(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise ContractError("no")

    with pytest.raises(ContractError):
        write_tarball(tmp_path / "it.tar.gz", MEMBERS, verify=refuse)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_refused_is_not_unpacked(tarball: Path, tmp_path: Path) -> None:
    def refuse(contents: Contents) -> None:
        raise ContractError("no")

    with pytest.raises(ContractError):
        unpack_tarball(tarball, tmp_path / "new", keep=lambda name: False, verified=refuse)
    assert list(tmp_path.iterdir()) == [tarball]


def test_one_that_is_accepted_is_unpacked_whole(tarball: Path, tmp_path: Path) -> None:
    unpack_tarball(tarball, tmp_path / "new", keep=lambda name: False, verified=lambda contents: None)

    assert (tmp_path / "new" / "b" / "c.txt").read_bytes() == b"two"


def test_one_that_was_cut_off_cannot_be_read_to_its_end(tarball: Path) -> None:
    os.truncate(tarball, 100)

    assert any("cannot be read to its end" in problem for problem in read(tarball).problems)


def test_something_behind_the_last_member_is_found_in_a_compressed_one_too(tmp_path: Path) -> None:
    path = tmp_path / "it.tar.gz"
    write_tarball(path, MEMBERS, verify=lambda written: None)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"hidden"))

    assert read(path).problems == ["something stands behind its last member"]


def test_a_member_that_leads_outside_is_a_problem_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "it.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"), io.BytesIO())

    (problem,) = read(path).problems

    assert problem == "member '../evil' would be written outside of the folder"
