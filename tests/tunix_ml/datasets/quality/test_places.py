from tunix_ml.contracts.trace import DatasetTrace, Split, Trace, TraceStep
from tunix_ml.datasets.quality.places import Place, Places

TRACE = Trace("1.0", "What is it?", "4", (TraceStep(0, "r", "It is 4."),))


def row(trace_id: str, split: Split, source: str, line: int) -> DatasetTrace:
    return DatasetTrace(trace_id, split, TRACE, source, line)


def test_places_are_told_as_they_were_added() -> None:
    places = Places()
    places.add(row("a" * 32, "test", "one.jsonl", 7))
    places.add(row("short", "train", "two.jsonl", 2**40))
    places.add(row("b" * 32, "validation", "one.jsonl", 8))

    assert [places[index] for index in range(len(places))] == [
        Place("a" * 32, "test", "one.jsonl", 7),
        Place("short", "train", "two.jsonl", 2**40),
        Place("b" * 32, "validation", "one.jsonl", 8),
    ]


def test_there_may_be_no_place() -> None:
    assert len(Places()) == 0
