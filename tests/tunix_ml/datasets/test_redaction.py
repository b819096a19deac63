import json
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.canonical import canonical_json
from tunix_ml.contracts.recipe import Redaction
from tunix_ml.contracts.trace import Trace, TraceStep
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.datasets.preview import preview_recipe
from tunix_ml.datasets.quality.sensitive import sensitive_in_trace
from tunix_ml.datasets.read import Dataset
from tunix_ml.datasets.redaction import clean_rows, clean_trace, refused_record
from tunix_ml.store import Store
from tunix_ml.traces.canonical_rows import CanonicalRows, to_canonical
from tunix_ml.traces.decode import LineError

Write = Callable[..., CatalogEntry]
KEY = "ghp_" + "a1B2" * 9  # the form of a key, of nobody
CARD = "4111 1111 1111 1111"
MAIL = "ada@example.org"


def trace(prompt: str, *, content: str = "So.", meta: dict[str, Any] | None = None) -> Trace:
    return Trace("1.0", prompt, "5", (TraceStep(0, "t", content),), meta)


def record(prompt: str, **fields: Any) -> dict[str, Any]:
    return trace(prompt, **fields).record()


def canonical(*traces: Trace) -> CanonicalRows:
    return CanonicalRows(
        [to_canonical(one) for one in traces],
        [canonical_json(one.record()) for one in traces],
        [None if one.meta is None else canonical_json(one.meta) for one in traces],
    )


def built(entry: CatalogEntry, store: Store, **options: Any) -> Dataset:
    return Dataset(build_dataset(store, entry, report=lambda line: None, **options))


PLANTED = [
    record("Clean?"),
    record("Whose?", meta={"author": MAIL, "size": 1.5}),
    record("Which key?", content=f"It is {KEY}."),
    record(f"Who pays with {CARD}?"),
    record(f"Who pays with {CARD}?"),
]


def test_what_is_kept_is_left_as_it_is() -> None:
    rows = canonical(trace("Clean?", meta={}), trace(f"Write to {MAIL}?"))

    cleaned = clean_rows(rows, Redaction())

    assert (cleaned.rows, cleaned.places, cleaned.redactions, cleaned.refused) == (rows, [0, 1], {}, {})


def test_what_is_redacted_has_the_identity_of_its_new_content() -> None:
    dirty = trace(f"Write to {MAIL}, {MAIL}?", meta={"by": [KEY]})

    cleaned = clean_rows(canonical(trace("Clean?"), dirty), Redaction(personal_data="redact"))

    assert cleaned.rows == canonical(trace("Clean?"), trace("Write to [email], [email]?", meta={"by": [KEY]}))
    assert cleaned.redactions == {1: {"email": 2}}


def test_what_is_refused_is_named_by_kind_and_never_shown() -> None:
    redaction = Redaction(secrets="reject", personal_data="redact")

    cleaned = clean_rows(canonical(trace(f"{KEY} or {MAIL}?"), trace("Clean?")), redaction)

    assert (cleaned.places, cleaned.redactions) == ([1], {})
    assert cleaned.refused[0].message == "the trace holds api_key"


def test_a_text_that_grows_beyond_its_limit_is_refused() -> None:
    full = trace("Where?", content="x" * 19_990 + " 10.2.3.4")

    with pytest.raises(LineError, match="once redacted it is no valid trace"):
        clean_trace(full, Redaction(personal_data="redact"))


def test_the_reject_of_a_trace_shows_nothing_of_it() -> None:
    reject = refused_record(trace(KEY), LineError("sensitive", f"holds {MAIL}"), source="a", line=7)

    assert (reject.source, reject.line, reject.code, reject.excerpt) == ("a", 7, "sensitive", "")
    assert reject.message == "holds [email]"


@pytest.mark.parametrize("num_workers", [0, 1])
def test_planted_secrets_are_taken_out_counted_and_keep_their_lines(
    store: Store, write_entry: Write, num_workers: int
) -> None:
    both = {"secrets": "redact", "personal_data": "redact"}
    entry = write_entry(PLANTED, redact=both, max_reject_rate=0.5)

    dataset = built(entry, store, num_workers=num_workers)

    assert dataset.manifest.counts() == (5, 4, 0, 0, 1)
    assert dataset.manifest.redacted_count == 3
    assert dataset.manifest.stats["redactions"] == {"api_key": 1, "card_number": 1, "email": 1}
    assert [row.source_line for row in dataset.rows] == [1, 2, 3, 4]
    assert [row.trace_id for row in dataset.rows] == [row.trace.trace_id() for row in dataset.rows]
    assert not any(list(sensitive_in_trace(row.trace)) for row in dataset.rows)
    assert "Redacted: 3 traces (1 api_key, 1 card_number, 1 email)" in (
        dataset.snapshot.file("README.md").read_text()
    )


@pytest.mark.parametrize("num_workers", [0, 1])
def test_refused_traces_stand_in_the_rejects_under_their_own_code(
    store: Store, write_entry: Write, num_workers: int
) -> None:
    lines = [*PLANTED, json.dumps({"prompt": KEY})[:-1].encode()]
    both = {"secrets": "reject", "personal_data": "reject"}
    entry = write_entry(lines, redact=both, max_reject_rate=0.9)

    dataset = built(entry, store, num_workers=num_workers)

    rejects = dataset.rejects.to_pylist()
    assert dataset.manifest.counts() == (6, 1, 5, 0, 0)
    assert [(reject["line"], reject["code"]) for reject in rejects] == [
        *((line, "sensitive") for line in (2, 3, 4, 5)),
        (6, "invalid_json"),
    ]
    assert not any(secret in str(rejects) for secret in (KEY, CARD, MAIL))
    assert dataset.manifest.redacted_count == 0


def test_rows_of_versions_are_redacted_too_and_stay_in_their_split(store: Store, write_entry: Write) -> None:
    before = built(write_entry(PLANTED, max_reject_rate=0.5), store)
    entry = write_entry([], version="mine-v2")
    chosen = {"kind": "versions", "parts": [{"version": "mine-v1"}]}
    recipe = type(entry.recipe)(
        description="d",
        license="l",
        source=chosen,
        redact={"secrets": "reject", "personal_data": "redact"},
        max_reject_rate=0.5,
    )

    after = built(entry._replace(recipe=recipe), store)

    assert after.manifest.counts() == (4, 3, 1, 0, 0)
    assert after.manifest.redacted_count == 2
    splits = {row.source_line: row.split for row in before.rows}
    assert [splits[row.source_line] for row in after.rows] == [row.split for row in after.rows]


def test_a_preview_shows_what_a_build_would_keep(store: Store, write_entry: Write) -> None:
    entry = write_entry(
        [*PLANTED, b"{bad"], redact={"secrets": "reject", "personal_data": "redact"}, max_reject_rate=0.9
    )

    preview = preview_recipe(entry, store)

    assert preview.rows == built(entry, store).rows
    assert preview.reject_codes == {"duplicate_trace": 1, "invalid_json": 1, "sensitive": 1}
    assert {reject.excerpt for reject in preview.rejects} == {""}


def test_a_recipe_without_redaction_keeps_its_digest(write_entry: Write) -> None:
    recipe = write_entry([]).recipe

    assert {"redact", "split_by"}.isdisjoint(recipe.model_dump())
    assert recipe.model_copy(update={"redact": Redaction()}).digest() != recipe.digest()
