"""Secrets and personal data in the rows of a build: taken out, or the row with them, as the recipe says."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.recipe import Redaction, SensitiveAction
from tunix_ml.contracts.reject import Reject
from tunix_ml.contracts.trace import Trace, validate_trace
from tunix_ml.datasets.quality.sensitive import (
    PERSONAL_DATA,
    SECRETS,
    RedactedTrace,
    redact,
    redact_trace,
    sensitive_in_trace,
)
from tunix_ml.traces.canonical_rows import CanonicalRows, CanonicalTrace, to_canonical
from tunix_ml.traces.decode import LineError
from tunix_ml.traces.lines import Line
from tunix_ml.traces.rejects import reject_line

_NO_OFFSET = -1


class Cleaned(NamedTuple):
    """Rows without what the recipe refuses.

    `places` are those of the rows that are left, among the rows given; `redactions` counts what was taken
    out, by kind and by the place of the row among those left; `refused` says why, by place among those given.
    """

    rows: CanonicalRows
    places: list[int]
    redactions: dict[int, dict[str, int]]
    refused: dict[int, LineError]


def clean_rows(rows: CanonicalRows, redaction: Redaction) -> Cleaned:
    """Return rows as the recipe wants them: what is kept has its own identity if anything was taken out."""
    cleaned = Cleaned(CanonicalRows([], [], []), [], {}, {})
    for place, row in enumerate(zip(rows.traces, rows.canonical, rows.metas, strict=True)):
        try:
            redacted = clean_trace(_plain(row[0]), redaction)
        except LineError as error:
            cleaned.refused[place] = error
            continue
        if redacted.counts:
            cleaned.redactions[len(cleaned.places)] = dict(sorted(redacted.counts.items()))
        trace, canonical, meta = _canonical(redacted.trace) if redacted.counts else row
        cleaned.rows.traces.append(trace)
        cleaned.rows.canonical.append(canonical)
        cleaned.rows.metas.append(meta)
        cleaned.places.append(place)
    return cleaned


def clean_trace(trace: Trace, redaction: Redaction) -> RedactedTrace:
    """Return a trace as the recipe wants it, and how often something was taken out, by kind.

    Raises:
        LineError: the recipe refuses what it holds.
    """
    kinds = {found.kind for _, found in sensitive_in_trace(trace)}
    if refused := sorted(kinds.intersection(_kinds(redaction, "reject"))):
        raise LineError("sensitive", f"the trace holds {', '.join(refused)}")
    taken_out = kinds.intersection(_kinds(redaction, "redact"))
    if not taken_out:
        return RedactedTrace(trace, Counter())
    redacted = redact_trace(trace, kinds=taken_out)
    return RedactedTrace(_validated(redacted.trace), redacted.counts)


def refused_record(trace: Trace, error: LineError, *, source: str, line: int) -> Reject:
    """Return the reject of a trace that came from no line of JSON."""
    canonical = Line(line, _NO_OFFSET, canonical_json(trace.record()), True)
    return withhold_excerpt(reject_line(canonical, source, error))


def withhold_excerpt(reject: Reject) -> Reject:
    """Return a reject without the text of its line, which may hold what should not be shown."""
    return msgspec.structs.replace(reject, message=redact(reject.message).text, excerpt="")


def withheld(rejects: Sequence[Reject], redaction: Redaction | None) -> list[Reject]:
    """Return rejects as a recipe may show them."""
    return list(rejects) if redaction is None else list(map(withhold_excerpt, rejects))


def _canonical(trace: Trace) -> tuple[CanonicalTrace, bytes, bytes | None]:
    meta = None if trace.meta is None else canonical_json(trace.meta)
    return to_canonical(trace), canonical_json(trace.record()), meta


def _validated(trace: Trace) -> Trace:
    """Return a redacted trace: a text at its limit may have grown beyond it."""
    try:
        return validate_trace(msgspec.convert(trace.record(), Trace))
    except (msgspec.ValidationError, ContractError) as error:
        raise LineError("sensitive", f"once redacted it is no valid trace: {error}") from error


def _kinds(redaction: Redaction, action: SensitiveAction) -> tuple[str, ...]:
    secrets = SECRETS if redaction.secrets == action else ()
    return secrets + (PERSONAL_DATA if redaction.personal_data == action else ())


def _plain(trace: CanonicalTrace) -> Trace:
    # Only read, and its steps have the same fields.
    return Trace(trace.trace_version, trace.prompt, trace.final_answer, trace.steps, trace.meta)  # type: ignore[arg-type]
