"""Tar files of plain files: written so that the same content gives the same bytes, read without belief.

A name that ends in `.gz` is compressed. Members bear no times, owners or rights of their own; their order is
the writer's. A reader sees every member's digest, and everything that no writer here would have written.
"""

import contextlib
import gzip
import hashlib
import io
import os
import re
import shutil
import tarfile
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar, cast

from tunix_ml import durable
from tunix_ml.contracts.artifact import ArtifactFile
from tunix_ml.contracts.base import ContractError

Member = tuple[str, bytes | Path]
Verified = TypeVar("Verified")

_SAFE_NAME = re.compile(r"(?:(?!\.{1,2}/)[^/\\\0]+/)*(?!\.{1,2}$)[^/\\\0]+")
_CHUNK_BYTES = 1 << 20
_COMPRESSION_LEVEL = 6
_UNREADABLE = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error)


@dataclass
class Contents:
    """What was found in a tar file: its files, the bytes of those kept, and what is wrong with others."""

    files: dict[str, ArtifactFile] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def write_tarball(path: Path, members: Iterable[Member], *, verify: Callable[[Path], object]) -> None:
    """Write members in their order; the file gets its name when it is whole and `verify` accepts it."""
    # The end of the name says whether it is compressed, so the temporary name has it too.
    temporary = path.with_name(f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        with _opened_to_write(temporary) as raw, _tar_to_write(raw) as tar:
            for name, content in members:
                _add(tar, name, content)
        verify(temporary)
        durable.sync(temporary)
        os.replace(temporary, path)  # noqa: PTH105 - as in `durable`
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync(path.parent)


def read_tarball(path: Path, *, keep: Callable[[str], bool], into: Path | None = None) -> Contents:
    """Read every member once, and write those that are safe below a folder if one is given.

    Args:
        path: the file; what is wrong with it stands in the answer.
        keep: says of a member's name whether its bytes are returned.
        into: where the members are written to.
    """
    contents, end = Contents(), 0
    with _opened_to_read(path) as raw:
        try:
            with tarfile.open(fileobj=raw, mode="r:") as tar:
                for member in tar:
                    end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                    if problem := _unsafe(member, contents):
                        contents.problems.append(problem)
                    else:
                        _take(tar, member, contents, keep=keep, into=into)
            if _has_more(raw, end):
                contents.problems.append("something stands behind its last member")
        except _UNREADABLE as error:
            contents.problems.append(f"it cannot be read to its end: {error}")
    return contents


def unpack_tarball(
    path: Path, folder: Path, *, keep: Callable[[str], bool], verified: Callable[[Contents], Verified]
) -> Verified:
    """Unpack into a new folder what `verified` accepts, all of it or nothing, and return its answer.

    Raises:
        ContractError: the folder exists.
    """
    if folder.exists():
        raise ContractError(f"{folder} exists already, expected the name of a new folder")
    temporary = folder.with_name(f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        answer = verified(read_tarball(path, keep=keep, into=temporary))
        durable.sync_tree(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    durable.sync(folder.parent)
    return answer


def described(content: bytes | Path) -> ArtifactFile:
    """Return size and sha256 of a member to be written."""
    with _source(content) as source:
        return ArtifactFile(sha256=_copy(source, None), num_bytes=_num_bytes(content))


def _num_bytes(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


@contextlib.contextmanager
def _source(content: bytes | Path) -> Iterator[IO[bytes]]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        yield source


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    """Add a plain file that everybody may read, of no time and no owner."""
    header = tarfile.TarInfo(name)
    header.size, header.mode = _num_bytes(content), 0o644
    with _source(content) as source:
        tar.addfile(header, source)


def _tar_to_write(raw: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT)


@contextlib.contextmanager
def _opened_to_write(path: Path) -> Iterator[IO[bytes]]:
    with path.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        with gzip.GzipFile("", "wb", _COMPRESSION_LEVEL, file, mtime=0) as compressed:
            yield cast("IO[bytes]", compressed)


@contextlib.contextmanager
def _opened_to_read(path: Path) -> Iterator[IO[bytes]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield cast("IO[bytes]", file)


def _unsafe(member: tarfile.TarInfo, contents: Contents) -> str | None:
    if not _SAFE_NAME.fullmatch(member.name):
        return f"member {member.name!r:.140} would be written outside of the folder"
    if member.type != tarfile.REGTYPE:
        return f"member {member.name!r:.140} is a link, a folder or a device, only files may be"
    return f"member {member.name!r:.140} is there twice" if member.name in contents.files else None


def _take(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    contents: Contents,
    *,
    keep: Callable[[str], bool],
    into: Path | None,
) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name!r:.140} has no data")
    if keep(member.name):
        contents.kept[member.name] = source.read()
        source.seek(0)
    if into is None:
        sha256 = _copy(source, None)
    else:
        (into / member.name).parent.mkdir(parents=True, exist_ok=True)
        with (into / member.name).open("xb") as target:
            sha256 = _copy(source, target)
    contents.files[member.name] = ArtifactFile(sha256=sha256, num_bytes=member.size)


def _copy(source: IO[bytes], target: IO[bytes] | None) -> str:
    """Return the sha256 of what is read, which is what is written."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        digest.update(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()


def _has_more(raw: IO[bytes], end: int) -> bool:
    raw.seek(end)
    return any(any(chunk) for chunk in iter(lambda: raw.read(_CHUNK_BYTES), b""))
