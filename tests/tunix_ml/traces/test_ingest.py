import gzip
import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tunix_ml.contracts.recipe import DatasetRecipe, JsonlSource
from tunix_ml.contracts.reject import EXCERPT_CHARACTERS, Reject
from tunix_ml.traces.claims import find_claims
from tunix_ml.traces.ingest import Ingested, describe_sources, ingest
from tunix_ml.traces.lines import SourceError

REPOSITORY = Path(__file__).parents[3]
GSM8K = Path(os.environ.get("GSM8K_DIR") or REPOSITORY.parent / "shared" / "data" / "gsm8k")


def raw(number: int) -> bytes:
    steps = [{"i": 0, "type": "t", "content": f"{number} + 0 = {number}"}]
    record = {"trace_version": "1.0", "prompt": f"Q{number}", "final_answer": str(number), "steps": steps}
    return json.dumps(record).encode()


def ingested(path: Path) -> list[Ingested | Reject]:
    return list(ingest(JsonlSource(kind="jsonl", path=path.name), base_dir=path.parent))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_each_bad_line_is_named_with_its_line_and_code_and_good_lines_are_kept(tmp_path):
    bad = {
        2: (b'{"prompt": "\xff"}', "invalid_utf8"),
        3: (b'{"prompt": NaN}', "non_finite_number"),
        5: (b'{"prompt": "a", "prompt": "b"}', "duplicate_key"),
        6: (b'{"prompt": "a"}', "contract"),
        7: (b'{"prompt": "' + b"x" * (2 << 20) + b'"}', "line_too_long"),
        9: (b"[" * 100_000, "nested_too_deep"),
        10: (b"{'prompt': 1}", "invalid_json"),
        11: (b'{"prompt": "\\u0000"}', "nul_character"),
        12: (raw(1), "duplicate_trace"),
        14: (raw(14)[:-5], "truncated_line"),
    }
    good = {number: raw(number) for number in (1, 8, 13)}
    lines = [good.get(number) or bad.get(number, (b"  ", ""))[0] for number in range(1, 15)]

    items = ingested(write(tmp_path / "mixed.jsonl", b"\n".join(lines)))

    rejects = [item for item in items if isinstance(item, Reject)]
    assert [item.line for item in items if isinstance(item, Ingested)] == [1, 8, 13]
    assert {reject.line: reject.code for reject in rejects} == {n: code for n, (_, code) in bad.items()}
    for reject in rejects:
        line = lines[reject.line - 1]
        assert reject.byte_offset == sum(len(earlier) + 1 for earlier in lines[: reject.line - 1])
        assert reject.sha256 == hashlib.sha256(line).hexdigest()
        assert len(reject.excerpt) <= EXCERPT_CHARACTERS
        assert reject.excerpt.isascii()
        assert reject.excerpt.isprintable()
        assert len(reject.message) < 1_000


def test_a_reject_shows_the_start_of_its_line_escaped(tmp_path):
    (reject,) = ingested(write(tmp_path / "a.jsonl", b'{"a": "\xff\x1b[31m\xc3\xa9"}\n'))

    assert reject.excerpt == r'{"a": "\xff\x1b[31m\xe9"}'


def test_a_crlf_file_gives_the_same_traces(tmp_path):
    data = b"".join(raw(number) + b"\n" for number in range(5))

    unix = ingested(write(tmp_path / "a.jsonl", data))
    windows = ingested(write(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")))

    assert len(unix) == 5
    assert unix == windows


def test_a_folder_and_its_gzip_files_are_read_in_the_order_of_their_names(tmp_path):
    write(tmp_path / "b.jsonl", raw(2))
    write(tmp_path / "a.jsonl.gz", gzip.compress(raw(1)))

    items = list(ingest(JsonlSource(kind="jsonl", path="."), base_dir=tmp_path))

    assert [(item.source, item.line, item.trace.prompt) for item in items] == [
        ("a.jsonl.gz", 1, "Q1"),
        ("b.jsonl", 1, "Q2"),
    ]


def test_the_records_of_an_array_are_read_as_lines_are(tmp_path):
    bad = b'{"prompt": "a",\n "prompt": "b"}'
    write(tmp_path / "a.json", b"[\n" + b",\n".join([raw(1), bad, raw(2), raw(1)]) + b"]\n")

    items = list(ingest(JsonlSource(kind="jsonl", path="a.json"), base_dir=tmp_path))

    assert [getattr(item, "code", "trace") for item in items] == [
        "trace",
        "duplicate_key",
        "trace",
        "duplicate_trace",
    ]
    assert [item.line for item in items] == [1, 2, 3, 4]


def test_a_duplicate_names_the_first_in_whichever_file(tmp_path):
    write(tmp_path / "a.jsonl", b"\n" + raw(1))
    write(tmp_path / "b.jsonl", json.dumps(dict(reversed(json.loads(raw(1)).items()))).encode())

    _, reject = ingest(JsonlSource(kind="jsonl", path="."), base_dir=tmp_path)

    assert (reject.source, reject.line, reject.code) == ("b.jsonl", 1, "duplicate_trace")
    assert reject.message == "the same content as line 2 of a.jsonl"


def test_a_missing_file_is_an_error_before_the_first_trace_is_asked_for(tmp_path):
    with pytest.raises(SourceError):
        ingest(JsonlSource(kind="jsonl", path="none.jsonl"), base_dir=tmp_path)


def test_a_gzip_file_cut_off_is_an_error_and_not_fewer_traces(tmp_path):
    whole = gzip.compress(b"".join(raw(number) + b"\n" for number in range(2_000)))

    with pytest.raises(SourceError, match=r"cut\.jsonl\.gz cannot be read beyond line"):
        ingested(write(tmp_path / "cut.jsonl.gz", whole[:-20]))


def test_sources_are_described_by_digest_size_and_records(tmp_path):
    path = write(tmp_path / "a.jsonl", raw(1) + b"\n\n" + b"{}\n")
    counts = Counter(item.source for item in ingested(path))

    source = JsonlSource(kind="jsonl", path="a.jsonl")
    (entry,) = describe_sources(source, base_dir=tmp_path, num_records=counts)

    assert (entry.name, entry.num_bytes, entry.num_records) == ("a.jsonl", len(path.read_bytes()), 2)
    assert entry.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def recipe(name: str) -> DatasetRecipe:
    text = (REPOSITORY / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return DatasetRecipe.model_validate(yaml.safe_load(text))


def test_the_hand_made_rows_come_in_and_their_arithmetic_is_true():
    items = list(ingest(recipe("golden-v1").source, base_dir=REPOSITORY / "data"))
    claims = [claim for item in items for step in item.trace.steps for claim in find_claims(step.content)]

    assert [type(item) for item in items] == [Ingested] * 12
    assert len(claims) == 22
    assert all(claim.is_true for claim in claims)


@pytest.mark.skipif(not (GSM8K / "train.jsonl").exists(), reason="GSM8K is not here: set GSM8K_DIR")
def test_every_row_of_gsm8k_comes_in_through_its_recipe_alone(monkeypatch):
    monkeypatch.setenv("GSM8K_DIR", str(GSM8K))

    traces = [item.trace for item in ingest(recipe("gsm8k-v1").source, base_dir=REPOSITORY / "data")]

    assert len(traces) == 7_473
    assert all(float(trace.final_answer) is not None for trace in traces)
    assert not any(
        mark in step.content for trace in traces for step in trace.steps for mark in ("<<", "####")
    )
