"""Submission bundles read back: each problem a sentence, and nothing unpacked that was not verified.

Neither a store nor the machine that made a bundle is needed.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunix_ml.contracts.base import Artifact, ContractError
from tunix_ml.contracts.bundle import Environment, EvaluationSummary, RunManifest
from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.evaluation import EvalReport
from tunix_ml.registry.bundle_evidence import Evidence
from tunix_ml.registry.events import RegistryError
from tunix_ml.registry.tarball import Contents, read_tarball, unpack_tarball

README, SUMS = "README.md", "SHA256SUMS"
MANIFEST = "evidence/run_manifest.json"
SUMMARY = "evidence/evaluation_summary.json"
ENVIRONMENT = "evidence/environment.json"
_CONTRACTS: dict[str, type[Artifact]] = {
    MANIFEST: RunManifest,
    SUMMARY: EvaluationSummary,
    ENVIRONMENT: Environment,
}
_REPORT = re.compile(r"eval/([^/]+)/eval\.json")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_MODEL = "model/"
_MOST_NAMED = 5


class CorruptBundle(RegistryError):
    """A bundle is not what was published, or never was one."""


def verify_bundle(path: Path) -> Evidence:
    """Return the evidence of a bundle after verifying everything in it.

    Raises:
        CorruptBundle: a file is missing, changed, unlisted or unsafe, or the evidence holds a null or is of
            other content.
    """
    return _verified(path, read_bundle(path))


def extract_bundle(path: Path, folder: Path) -> Evidence:
    """Unpack a bundle into a new folder, all of it or nothing, and return its evidence.

    Raises:
        ContractError: the folder exists.
        CorruptBundle: as for `verify_bundle`.
    """
    return unpack_tarball(path, folder, keep=_is_small, verified=lambda found: _verified(path, found))


def read_bundle(path: Path) -> Contents:
    """Read a bundle for the functions below, whatever is wrong with it."""
    return read_tarball(path, keep=_is_small)


def file_problems(contents: Contents) -> list[str]:
    """Return one sentence for each file that is missing, changed, not listed or unsafe."""
    if SUMS not in contents.kept:
        return [f"it has no {SUMS}", *contents.problems]
    lines = contents.kept[SUMS].decode(errors="replace").splitlines()
    listed = {match[2]: match[1] for line in lines if (match := _LINE.fullmatch(line))}
    found = {name: file.sha256 for name, file in contents.files.items() if name != SUMS}
    problems = [*contents.problems]
    problems += [f"{SUMS} has a line {line!r:.100}" for line in lines if not _LINE.fullmatch(line)]
    problems += [f"{name} is missing" for name in sorted({*listed, README, *_CONTRACTS} - found.keys())]
    problems += [f"{name} is not listed" for name in sorted(found.keys() - listed.keys())]
    return problems + [
        f"{name} has sha256 {found[name]}, listed is {listed[name]}"
        for name in sorted(listed.keys() & found.keys())
        if found[name] != listed[name]
    ]


def evidence_problems(contents: Contents) -> list[str]:
    """Return one sentence for each document that is missing, and for each null or breach in the others."""
    problems: list[str] = []
    for name, contract in _CONTRACTS.items():
        if name not in contents.kept:
            problems.append(f"{name} is missing")
            continue
        try:
            problems += [f"{name} has a null at {place}" for place in _nulls(json.loads(contents.kept[name]))]
            contract.parse(contents.kept[name], subject=name)
        except (ValueError, ContractError) as error:
            problems.append(str(error))
    return problems


def content_problems(contents: Contents) -> list[str]:
    """Return one sentence for each contradiction between sound evidence and the files beside it."""
    evidence = evidence_of(contents)
    manifest, summary = evidence.manifest, evidence.summary
    files = {name: file.sha256 for name, file in contents.files.items()}
    model = {name.removeprefix(_MODEL): files[name] for name in files if name.startswith(_MODEL)}
    problems = []
    if (digest := record_digest(model)) != manifest.model_digest:
        problems.append(f"the model has content {digest}, {MANIFEST} says {manifest.model_digest}")
    reported = {match[1]: name for name in files if (match := _REPORT.fullmatch(name))}
    if not reported.keys() == manifest.evaluation_sets.keys() == summary.evaluation_sets.keys():
        problems.append(
            f"there are reports on {sorted(reported)}, the evidence is of {sorted(manifest.evaluation_sets)}"
            f" and {sorted(summary.evaluation_sets)}"
        )
        return problems
    for name, report in reported.items():
        problems += _report_problems(name, contents.kept[report], files[report], evidence)
    return problems


def evidence_of(contents: Contents) -> Evidence:
    """Return the evidence of contents in which `evidence_problems` found none."""
    kept = contents.kept
    return Evidence(
        RunManifest.parse(kept[MANIFEST], subject=MANIFEST),
        EvaluationSummary.parse(kept[SUMMARY], subject=SUMMARY),
        Environment.parse(kept[ENVIRONMENT], subject=ENVIRONMENT),
    )


def _is_small(name: str) -> bool:
    return name == SUMS or name in _CONTRACTS or _REPORT.fullmatch(name) is not None


def _verified(path: Path, contents: Contents) -> Evidence:
    problems = file_problems(contents) or evidence_problems(contents) or content_problems(contents)
    if problems:
        raise CorruptBundle(f"{path}: " + "; ".join(problems[:_MOST_NAMED]))
    return evidence_of(contents)


def _report_problems(name: str, data: bytes, digest: str, evidence: Evidence) -> Iterator[str]:
    stated, scored = evidence.manifest.evaluation_sets[name], evidence.summary.evaluation_sets[name]
    if digest != stated.eval_digest:
        yield f"the report on {name} has content {digest}, {MANIFEST} says {stated.eval_digest}"
    report = EvalReport.parse(data, subject=name)
    if (report.run_id, report.primary_score) != (evidence.manifest.run_id, scored.score):
        yield f"the report on {name} is {report.primary_score} of {report.run_id}, not {scored.score}"


def _nulls(value: Any, place: str = "$") -> Iterator[str]:
    """Yield where a JSON value holds a null."""
    if value is None:
        yield place
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _nulls(child, f"{place}.{key}")
