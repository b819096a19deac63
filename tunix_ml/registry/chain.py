"""The chain: whether events hold together, each appended after exactly the one before it."""

from collections.abc import Mapping
from pathlib import Path

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.registry import RegistryEvent, RegistryHead


def event_file_name(sequence: int) -> str:
    """Return the name of an event's file."""
    return f"{sequence:08}.json"


def chain_problems(
    files: Mapping[int, bytes], *, model: str, folder: Path, head: RegistryHead | None = None
) -> list[str]:
    """Return one sentence for each event of a chain that is not what was appended.

    Args:
        files: bytes of each event, by number.
        model: name of the registered model that they are of.
        folder: where they lie, for the sentences.
        head: an event that was the last one once; the chain has to hold it, and may have grown since.
    """
    missing = sorted(set(range(1, max(files, default=0))) - files.keys())
    problems = [f"{folder / event_file_name(number)} is missing" for number in missing]
    events: dict[int, RegistryEvent] = {}
    for number, data in files.items():
        path = folder / event_file_name(number)
        try:
            events[number] = RegistryEvent.parse(data, subject=str(path))
        except ContractError as error:
            problems.append(f"{error}; it was changed")
        else:
            problems += _event_problems(path, events[number], data, number=number, model=model)
    problems += _link_problems(events, files, folder)
    return problems + (_head_problems(files, head, folder) if head else [])


def _event_problems(path: Path, event: RegistryEvent, data: bytes, *, number: int, model: str) -> list[str]:
    if event.sequence != number:
        return [f"{path} holds event {event.sequence}, it was inserted or moved"]
    if event.model != model:
        return [f"{path} is an event of {event.model!r}, it was inserted"]
    return [] if event.to_json() == data else [f"{path} is not spelled as an event is, it was changed"]


def _link_problems(
    events: Mapping[int, RegistryEvent], files: Mapping[int, bytes], folder: Path
) -> list[str]:
    """Return what does not hold together; an event that its successor knows is the one that was appended."""
    digests: dict[int, Digest | None] = {number: sha256_hex(data) for number, data in files.items()}
    digests[0] = None
    broken = [
        number
        for number, event in events.items()
        if number - 1 in digests and digests[number - 1] != event.previous
    ]
    problems = []
    for number in broken:
        before, here = (folder / event_file_name(place) for place in (number - 1, number))
        if number == 1 or number + 1 in broken:
            changed = f"{here} was changed"
        elif number + 1 in events:
            changed = f"{before} was changed"
        else:
            changed = f"{before} or {here} was changed"
        problems.append(f"{changed}: event {number} was appended after another event {number - 1}")
    return problems


def _head_problems(files: Mapping[int, bytes], head: RegistryHead, folder: Path) -> list[str]:
    path, data = folder / event_file_name(head.sequence), files.get(head.sequence)
    if data is None:
        return [f"{path} is missing, it was the last event once: the log was cut short"]
    if sha256_hex(data) != head.event_digest:
        return [f"{path} was changed: it has sha256 {sha256_hex(data)}, recorded was {head.event_digest}"]
    return []
