"""Where traces stand, kept in a few bytes for each: there may be a million of them."""

from array import array
from typing import NamedTuple

from tunix_ml.contracts.trace import SPLITS, DatasetTrace, Split


class Place(NamedTuple):
    """What a trace is called, and where it stands and comes from."""

    trace_id: str
    split: Split
    source: str
    source_line: int


class Places:
    """The places of traces, in the order in which they are added."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._ends = array("Q", [0])
        self._splits = array("B")
        self._sources: list[str] = []
        self._numbers: dict[str, int] = {}  # of the sources
        self._source_numbers = array("I")
        self._lines = array("Q")

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Place:
        start, end = self._ends[index], self._ends[index + 1]
        return Place(
            trace_id=self._ids[start:end].decode(),
            split=SPLITS[self._splits[index]],
            source=self._sources[self._source_numbers[index]],
            source_line=self._lines[index],
        )

    def add(self, row: DatasetTrace) -> None:
        """Add the place of one trace."""
        if row.source not in self._numbers:
            self._numbers[row.source] = len(self._sources)
            self._sources.append(row.source)
        self._ids += row.trace_id.encode()
        self._ends.append(len(self._ids))
        self._splits.append(SPLITS.index(row.split))
        self._source_numbers.append(self._numbers[row.source])
        self._lines.append(row.source_line)
