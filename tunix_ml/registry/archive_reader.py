"""Archives read back: nothing in them is believed before it is verified, and nothing leaves their folder.

Neither a store nor the machine that wrote an archive is needed: what is inside says whether it is whole.
"""

import hashlib
import re
import shutil
import tarfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tunix_ml import durable
from tunix_ml.contracts.archive import ArchiveManifest
from tunix_ml.contracts.artifact import ArtifactFile
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.registry import RegistryEvent
from tunix_ml.registry.chain import chain_problems
from tunix_ml.registry.events import CorruptLog, RegistryError
from tunix_ml.registry.models import fold

MANIFEST, MODEL, EVENTS = "MANIFEST.json", "model", "events"
_EVENT_MEMBER = re.compile(rf"{EVENTS}/([0-9]{{8}})\.json")
_SAFE_NAME = re.compile(r"(?:(?!\.{1,2}/)[^/\\\0]+/)*(?!\.{1,2}$)[^/\\\0]+")
_CHUNK_BYTES = 1 << 20
_MOST_NAMED = 5


class CorruptArchive(RegistryError):
    """An archive is not what was exported, or never was one."""


def verify_archive(path: Path) -> ArchiveManifest:
    """Return the manifest of an archive after verifying everything in it.

    Raises:
        CorruptArchive: a member is missing, changed, unlisted or unsafe; the model is not the version that
            the manifest names; or the log is damaged, or does not know the version.
    """
    return _verified(path, _read(path, into=None))


def extract_archive(path: Path, folder: Path) -> ArchiveManifest:
    """Unpack an archive into a new folder, all of it or nothing, and return its manifest.

    The model is then the Hugging Face folder `model` in it. What is written is what was verified.

    Raises:
        ContractError: the folder exists.
        CorruptArchive: as for `verify_archive`.
    """
    if folder.exists():
        raise ContractError(f"{folder} exists already, expected the name of a new folder")
    temporary = folder.with_name(f"{durable.TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        manifest = _verified(path, _read(path, into=temporary))
        durable.sync_tree(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    durable.sync(folder.parent)
    return manifest


@dataclass
class _Contents:
    """What was found in an archive: its files, the bytes of the small ones, and what is wrong with others."""

    files: dict[str, ArtifactFile] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def _read(path: Path, *, into: Path | None) -> _Contents:
    """Read every member once, and write those that are safe below a folder if one is given."""
    contents, end = _Contents(), 0
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
                if problem := _unsafe(member, contents):
                    contents.problems.append(problem)
                else:
                    _take(tar, member, contents, into)
    except (tarfile.TarError, EOFError) as error:
        contents.problems.append(f"it cannot be read to its end: {error}")
    if _has_more(path, end):
        contents.problems.append("something stands behind its last member")
    return contents


def _unsafe(member: tarfile.TarInfo, contents: _Contents) -> str | None:
    if not _SAFE_NAME.fullmatch(member.name):
        return f"member {member.name!r:.140} would be written outside of the folder"
    if member.type != tarfile.REGTYPE:
        return f"member {member.name!r:.140} is a link, a folder or a device, only files may be"
    return f"member {member.name!r:.140} is there twice" if member.name in contents.files else None


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, contents: _Contents, into: Path | None) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name!r:.140} has no data")
    is_small = member.name == MANIFEST or _EVENT_MEMBER.fullmatch(member.name)
    if is_small:
        contents.small[member.name] = source.read()
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


def _has_more(path: Path, end: int) -> bool:
    with path.open("rb") as file:
        file.seek(end)
        return any(any(chunk) for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))


def _verified(path: Path, contents: _Contents) -> ArchiveManifest:
    if MANIFEST not in contents.small:
        raise CorruptArchive("; ".join([f"{path} has no {MANIFEST}", *contents.problems[:_MOST_NAMED]]))
    try:
        manifest = ArchiveManifest.parse(contents.small[MANIFEST], subject=MANIFEST)
    except ContractError as error:
        raise CorruptArchive(f"{path}: {error}") from error
    problems = [*contents.problems, *_member_problems(manifest, contents.files)]
    problems += _version_problems(manifest, contents) if not problems else []
    if problems:
        raise CorruptArchive(f"{path}: " + "; ".join(problems[:_MOST_NAMED]))
    return manifest


def _member_problems(manifest: ArchiveManifest, files: Mapping[str, ArtifactFile]) -> list[str]:
    listed, found = manifest.members, {name: file for name, file in files.items() if name != MANIFEST}
    problems = [f"{name} is missing" for name in sorted(listed.keys() - found.keys())]
    problems += [f"{name} is not listed" for name in sorted(found.keys() - listed.keys())]
    return problems + [
        f"{name} has sha256 {found[name].sha256}, listed is {listed[name].sha256}"
        for name in sorted(listed.keys() & found.keys())
        if found[name].sha256 != listed[name].sha256
    ]


def _version_problems(manifest: ArchiveManifest, contents: _Contents) -> list[str]:
    """Return what contradicts the manifest, which anybody could have written anew with changed members."""
    prefix = f"{MODEL}/"
    model = {
        name.removeprefix(prefix): file.sha256
        for name, file in contents.files.items()
        if name.startswith(prefix)
    }
    problems = []
    if (version := record_digest(model)) != manifest.version:
        problems.append(f"the model is version {version}, stated is {manifest.version}")
    files = {
        int(match[1]): data
        for name, data in contents.small.items()
        if (match := _EVENT_MEMBER.fullmatch(name))
    }
    folder = Path(EVENTS)
    chain = chain_problems(
        dict(sorted(files.items())), model=manifest.model, folder=folder, head=manifest.head
    )
    return problems + (chain or _log_problems(manifest, contents, files))


def _log_problems(manifest: ArchiveManifest, contents: _Contents, files: Mapping[int, bytes]) -> list[str]:
    events = [RegistryEvent.parse(files[number], subject=EVENTS) for number in sorted(files)]
    try:
        version = fold(manifest.model, events).versions.get(manifest.version)
    except CorruptLog as error:
        return [str(error)]
    if version is None or version.run_id != manifest.run_id:
        return [f"the log knows no version {manifest.version} of {manifest.run_id}"]
    report, stated = contents.files.get("eval/eval.json"), version.evidence.get("eval")
    if report is None or report.sha256 != stated:
        return [f"eval/eval.json is not the report {stated} of the log"]
    return []
