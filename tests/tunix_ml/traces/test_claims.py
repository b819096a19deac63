import json
import os
import re
from pathlib import Path

import pytest

from tunix_ml.traces.claims import find_claims

GSM8K = Path(os.environ.get("GSM8K_DIR") or Path(__file__).parents[4] / "shared" / "data" / "gsm8k")


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("ones: 7+8+0=15, write 5 carry 1", ["7+8+0 = 15"]),
        ("She pays 3 * $1,200 = $3,600.", ["3 * $1,200 = $3,600"]),
        ("So 2 + 3 = 10 / 2 = 5!", ["2 + 3 = 10 / 2"]),
        ("Then (4 + 5) x 2 = 18 (in all)", ["(4 + 5) x 2 = 18"]),
        ("(In all 4 + 5 = 9)", ["4 + 5 = 9"]),
        ("(4 + 5 = 9)", ["4 + 5 = 9"]),
        ("27 = 20 + 7", ["27 = 20 + 7"]),
        ("48/2 = <<48/2=24>>24 clips", ["48/2 = 24", "48/2 = 24"]),
        ("5/20 = 25% and 5 / 20 * 100 = 25%", ["5/20 = 25%", "5 / 20 * 100 = 25%"]),
        ("1 + 1 = 2\n2 + 2 = 4", ["1 + 1 = 2", "2 + 2 = 4"]),
    ],
)
def test_true_claims_are_found_and_true(text, claims):
    found = find_claims(text)

    assert [claim.text for claim in found] == claims
    assert all(claim.is_true for claim in found)


@pytest.mark.parametrize(
    ("text", "computed"),
    [("2 + 2 = 5", 4), ("So 10/4 = 2", 2.5), ("1/0 = 0", None), ("10 / 3 = 3.33", 10 / 3)],
)
def test_false_claims_are_found_with_what_they_come_to(text, computed):
    (claim,) = find_claims(text)

    assert not claim.is_true
    assert claim.computed is None if computed is None else float(claim.computed) == computed


@pytest.mark.parametrize(
    "text",
    [
        "On 2024-01-15 = Monday",
        "x = 5 and 2x = 10",
        "x + 5 = 12",
        "x - 5 = 12",
        "From 10:30 + 15 = 10:45",
        "half of 8 * 2 = 8",
        "20% of 50 + 1 = 11",
        "5 apples + 3 apples = 8 apples",
        "7 / 2 = 3 remainder 1",
        "3 + 2000 = 5 thousand",
        "2^3 + 1 = 9",
        "1 + 1 = 2,5",
        "1,5 + 1 = 2",
        "5 + 3 = 8kg",
        "Week 1 + Week 2 = 35 and so on",
        "in Week 2 = 35 + 35",
        "60 / 3/4 is a half, 60 / 3/4 = 80",
        "a == b, 3 == 3, != 4, <= 5",
        "f(3) = 5",
        "Answer = 5",
        "5 = 5",
        "=" * 500,
        "1+" * 500 + "1=5",
    ],
)
def test_what_may_be_read_otherwise_claims_nothing(text):
    assert find_claims(text) == []


@pytest.mark.skipif(not (GSM8K / "train.jsonl").exists(), reason="GSM8K is not here: set GSM8K_DIR")
def test_every_claim_in_the_annotations_of_gsm8k_is_confirmed():
    with (GSM8K / "train.jsonl").open() as file:
        answers = [json.loads(line)["answer"] for line in file]
    annotations = [text for answer in answers for text in re.findall(r"<<[^<>]*>>", answer)]

    claims = [claim for text in annotations for claim in find_claims(text)]

    assert len(annotations) == 23_716
    assert len(claims) > 0.98 * len(annotations)
    assert all(claim.is_true for claim in claims)
