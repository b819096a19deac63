"""Archives read back: nothing in them is believed before it is verified, and nothing leaves their folder.

Neither a store nor the machine that wrote an archive is needed: what is inside says whether it is whole.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from tunix_ml.contracts.archive import ArchiveManifest
from tunix_ml.contracts.artifact import ArtifactFile
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.registry import RegistryEvent
from tunix_ml.registry.chain import chain_problems
from tunix_ml.registry.events import CorruptLog, RegistryError
from tunix_ml.registry.models import fold
from tunix_ml.registry.tarball import Contents, read_tarball, unpack_tarball

MANIFEST, MODEL, EVENTS = "MANIFEST.json", "model", "events"
_EVENT_MEMBER = re.compile(rf"{EVENTS}/([0-9]{{8}})\.json")
_MOST_NAMED = 5


class CorruptArchive(RegistryError):
    """An archive is not what was exported, or never was one."""


def verify_archive(path: Path) -> ArchiveManifest:
    """Return the manifest of an archive after verifying everything in it.

    Raises:
        CorruptArchive: a member is missing, changed, unlisted or unsafe; the model is not the version that
            the manifest names; or the log is damaged, or does not know the version.
    """
    return _verified(path, read_tarball(path, keep=_is_small))


def extract_archive(path: Path, folder: Path) -> ArchiveManifest:
    """Unpack an archive into a new folder, all of it or nothing, and return its manifest.

    The model is then the Hugging Face folder `model` in it. What is written is what was verified.

    Raises:
        ContractError: the folder exists.
        CorruptArchive: as for `verify_archive`.
    """
    return unpack_tarball(path, folder, keep=_is_small, verified=lambda contents: _verified(path, contents))


def _is_small(name: str) -> bool:
    return name == MANIFEST or _EVENT_MEMBER.fullmatch(name) is not None


def _verified(path: Path, contents: Contents) -> ArchiveManifest:
    if MANIFEST not in contents.kept:
        raise CorruptArchive("; ".join([f"{path} has no {MANIFEST}", *contents.problems[:_MOST_NAMED]]))
    try:
        manifest = ArchiveManifest.parse(contents.kept[MANIFEST], subject=MANIFEST)
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


def _version_problems(manifest: ArchiveManifest, contents: Contents) -> list[str]:
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
        for name, data in contents.kept.items()
        if (match := _EVENT_MEMBER.fullmatch(name))
    }
    folder = Path(EVENTS)
    chain = chain_problems(
        dict(sorted(files.items())), model=manifest.model, folder=folder, head=manifest.head
    )
    return problems + (chain or _log_problems(manifest, contents, files))


def _log_problems(manifest: ArchiveManifest, contents: Contents, files: Mapping[int, bytes]) -> list[str]:
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
