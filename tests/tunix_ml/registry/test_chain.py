from collections.abc import Callable
from pathlib import Path

from tunix_ml.contracts.registry import RegistryHead
from tunix_ml.registry.chain import chain_problems, event_file_name
from tunix_ml.registry.events import EventLog

FOLDER = Path("events")


def test_events_sort_by_the_names_of_their_files() -> None:
    names = [event_file_name(number) for number in (2, 10, 1)]

    assert sorted(names) == ["00000001.json", "00000002.json", "00000010.json"]


def test_a_chain_is_verified_from_its_bytes_alone(log: EventLog, append: Callable[..., None]) -> None:
    append("register a", "promote a")
    files = {number: log.file(number).read_bytes() for number in (1, 2)}
    head = RegistryHead(sequence=2, event_digest=log.read()[-1].digest())

    assert chain_problems(files, model=log.model, folder=FOLDER, head=head) == []
    assert chain_problems({2: files[2]}, model=log.model, folder=FOLDER) == [
        "events/00000001.json is missing"
    ]


def test_a_first_event_that_states_another_before_it_is_named(
    log: EventLog, append: Callable[..., None]
) -> None:
    append("register a", "promote a", "register b")
    moved = log.file(1).read_bytes().replace(b'"previous":null', b'"previous":"' + b"0" * 64 + b'"')

    problems = chain_problems({1: moved}, model=log.model, folder=FOLDER)

    assert problems == ["events/00000001.json was changed: event 1 was appended after another event 0"]
