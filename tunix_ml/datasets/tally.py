"""What a build has seen so far: counts, spreads and identities, never the rows themselves."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.reject import Reject
from tunix_ml.datasets.identities import DIGEST_BYTES

NUM_NAMED_REJECTS = 20


class Place(NamedTuple):
    """Where a row came from."""

    source: str
    line: int


@dataclass
class Spread:
    """Smallest, largest and mean of whole numbers."""

    total: int = 0
    count: int = 0
    smallest: int | None = None
    largest: int = 0

    def add(self, *, total: int, count: int, smallest: int, largest: int) -> None:
        """Take more numbers in."""
        self.total, self.count = self.total + total, self.count + count
        self.smallest = smallest if self.smallest is None else min(self.smallest, smallest)
        self.largest = max(self.largest, largest)

    def summary(self) -> dict[str, float]:
        """Return them as the manifest has them.

        Raises:
            ContractError: there is no number.
        """
        if self.smallest is None:
            raise ContractError("lengths of an empty dataset have no spread")
        return {"min": self.smallest, "mean": round(self.total / self.count, 3), "max": self.largest}


class FirstPlaces:
    """The place where each content was seen first."""

    def __init__(self) -> None:
        self._ordinals: dict[bytes, int] = {}
        self._sources: dict[str, int] = {}
        self._names: list[str] = []
        self._source_of, self._lines = array("l"), array("q")

    def find_repeated(self, ids: list[bytes], source: str | list[str], lines: bytes) -> dict[int, Place]:
        """Take rows in and return, by index, the first place of those whose content was seen before.

        `lines` holds 64-bit numbers; a single source is that of all rows.
        """
        start = len(self._lines)
        self._lines.frombytes(lines)
        if isinstance(source, str):
            self._source_of.extend(array("l", [self._number(source)]) * len(ids))
        else:
            self._source_of.extend(map(self._number, source))
        unique = set(ids)
        if len(unique) == len(ids) and self._ordinals.keys().isdisjoint(unique):
            self._ordinals.update(zip(ids, range(start, start + len(ids)), strict=True))
            return {}
        firsts = (self._ordinals.setdefault(key, start + index) for index, key in enumerate(ids))
        return {index: self._place(first) for index, first in enumerate(firsts) if first != start + index}

    def _number(self, source: str) -> int:
        if source not in self._sources:
            self._sources[source] = len(self._names)
            self._names.append(source)
        return self._sources[source]

    def _place(self, ordinal: int) -> Place:
        return Place(self._names[self._source_of[ordinal]], self._lines[ordinal])


@dataclass
class Tally:
    """Counts over all records read; memory grows by some tens of bytes for each trace."""

    kept: int = 0
    filtered: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    first_rejects: list[Reject] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    prompt_chars: Spread = field(default_factory=Spread)
    num_steps: Spread = field(default_factory=Spread)
    redacted: int = 0
    redactions: Counter[str] = field(default_factory=Counter)
    records_by_source: Counter[str] = field(default_factory=Counter)
    row_digests: bytearray = field(default_factory=bytearray)
    first_ids: list[str] = field(default_factory=list)
    first_places: FirstPlaces = field(default_factory=FirstPlaces)

    @property
    def rejected(self) -> int:
        """Records that are rows of the rejects table, duplicates among them."""
        return self.codes.total()

    @property
    def read(self) -> int:
        """All records."""
        return self.kept + self.rejected + self.filtered

    def reject(self, rejects: list[Reject]) -> None:
        """Count rejects."""
        self.codes.update(reject.code for reject in rejects)
        self.records_by_source.update(reject.source for reject in rejects)
        self.first_rejects += rejects[: NUM_NAMED_REJECTS - len(self.first_rejects)]

    def redact(self, redactions: Iterable[Mapping[str, int]]) -> None:
        """Count kept rows from which something was taken out."""
        for counts in redactions:
            self.redacted += 1
            self.redactions.update(counts)

    def keep_digests(self, digests: bytes) -> None:
        """Take in the digests of kept rows."""
        self.row_digests += digests
        self.kept = len(self.row_digests) // DIGEST_BYTES
