"""What the traces of a dataset version are like: lengths, families, kinds of answers, scripts."""

import statistics
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tunix_ml.contracts.quality import Bin, Statistics
from tunix_ml.contracts.trace import Trace
from tunix_ml.datasets.evaluation_items import answer_type_of
from tunix_ml.datasets.quality.scripts import language_of, script_of

LENGTH_OUTLIER = "length_outlier"
_MIN_TRACES = 50
_MIN_FACTOR = 8.0
_MIN_DEVIATIONS = 10.0


class Outlier(NamedTuple):
    """A trace, by its place, with a length that is far from that of the others."""

    place: int
    detail: str


class Tally:
    """The lengths and kinds of traces, as they are added."""

    def __init__(self) -> None:
        self._lengths = {"prompt_chars": array("L"), "reasoning_chars": array("L"), "num_steps": array("L")}
        self._families: Counter[str] = Counter()
        self._answer_types: Counter[str] = Counter()
        self._scripts: Counter[str] = Counter()

    def add(self, trace: Trace) -> None:
        """Count one trace."""
        self._lengths["prompt_chars"].append(len(trace.prompt))
        self._lengths["reasoning_chars"].append(sum(len(step.content) for step in trace.steps))
        self._lengths["num_steps"].append(len(trace.steps))
        self._families[trace.family()] += 1
        self._answer_types[answer_type_of(trace.final_answer)] += 1
        self._scripts[script_of(f"{trace.prompt} {trace.steps[-1].content}")] += 1

    def statistics(self) -> Statistics:
        """Return what was counted."""
        languages: Counter[str] = Counter()
        for script, count in self._scripts.items():
            languages[language_of(script)] += count
        return Statistics(
            **{name: histogram(values) for name, values in self._lengths.items()},
            families=_sorted(self._families),
            answer_types=_sorted(self._answer_types),
            scripts=_sorted(self._scripts),
            languages=_sorted(languages),
        )

    def outliers(self) -> Iterator[Outlier]:
        """Yield each length that is more than eight times, or less than an eighth, of the median.

        It must also lie ten median deviations away, so that a set of widely differing lengths has none. Fewer
        than fifty traces are too few to say.
        """
        for name, values in self._lengths.items():
            if len(values) < _MIN_TRACES:
                return
            median = statistics.median(values)
            deviation = statistics.median(abs(value - median) for value in values)
            for place, value in enumerate(values):
                is_other = max(value, 1) / median >= _MIN_FACTOR or median / max(value, 1) >= _MIN_FACTOR
                if is_other and abs(value - median) > min(_MIN_DEVIATIONS * deviation, median * 0.8):
                    yield Outlier(place, f"{name} is {value}, the median {median:g}")


def histogram(values: Sequence[int]) -> tuple[Bin, ...]:
    """Return how many values lie between each two powers of two, from the lowest to the highest."""
    return bars(Counter(max(value, 0).bit_length() for value in values))


def bars(counts: Mapping[int, int]) -> tuple[Bin, ...]:
    """Return a histogram, given how many values have each number of bits."""
    if not counts:
        return ()
    return tuple(
        Bin((1 << bits) >> 1, 1 << bits, counts.get(bits, 0)) for bits in range(min(counts), max(counts) + 1)
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
