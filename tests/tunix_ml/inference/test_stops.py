from collections.abc import Sequence

import pytest

from tunix_ml.exports.tokenizer import train_bpe
from tunix_ml.inference.stops import cut_after_stop, num_tokens_to_stop

PIECES = ["The sum", " is <", "answ", "er>5</an", "swer>\nQ", "uestion"]


def text(ids: Sequence[int]) -> str:
    return "".join(PIECES[token] for token in ids)


@pytest.mark.parametrize(
    ("stops", "count"),
    [
        (["</answer>"], 5),  # begins in one token and ends within the next
        (["e"], 1),
        (["uestion"], 6),
        (["</answer>", "<answer>"], 4),
        (["never"], None),
        ([], None),
    ],
)
def test_the_token_that_completes_a_stop_string_is_found(stops: list[str], count: int | None) -> None:
    assert num_tokens_to_stop(range(6), stops, text) == count


def test_a_stop_string_of_several_bytes_may_be_split_between_tokens() -> None:
    tokenizer = train_bpe(["plain"], vocab_size=260)
    ids = tokenizer.encode("so → 5")

    assert len(tokenizer.encode("→")) == 3
    assert num_tokens_to_stop(ids, ["→"], tokenizer.decode) == len(tokenizer.encode("so →"))


def test_a_text_ends_with_the_stop_string_that_ends_first() -> None:
    assert cut_after_stop("a <answer>5</answer>\nQ", ["</answer>", "Q"]) == "a <answer>5</answer>"
    assert cut_after_stop("so 12 and 3", ["12 and", "12"]) == "so 12"
    assert cut_after_stop("no stop", ["?"]) == "no stop"
    assert cut_after_stop("no stop", []) == "no stop"
