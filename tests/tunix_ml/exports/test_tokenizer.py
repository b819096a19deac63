import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunix_ml.exports.tokenizer import (
    BOS,
    EOS,
    PAD,
    Tokenizer,
    TokenizerError,
    fetch_tokenizer,
    load_tokenizer,
    tokenizer_digest,
    train_bpe,
)

TEXTS = ["What is 12 + 30? It is 42.", "What is 7 + 8? It is 15.", "What was it? It was <answer>15</answer>."]
TOKENIZER = train_bpe(TEXTS * 5, vocab_size=320)


def spell(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.decode([token_id]) for token_id in tokenizer.encode(text)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    TOKENIZER.save(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


@pytest.fixture
def without_bos(saved: Path) -> Path:
    edit_config(saved, bos_token=None, pad_token=None)
    return saved


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.lists(st.text(), max_size=5))
def test_many_texts_are_encoded_like_each_alone(texts: list[str]) -> None:
    assert TOKENIZER.encode_batch(texts) == [TOKENIZER.encode(text) for text in texts]


def test_digits_stay_single_even_where_a_number_is_frequent() -> None:
    tokenizer = train_bpe(["1234567890 1234567890"] * 100, vocab_size=400)

    assert spell(tokenizer, "12345") == ["1", "2", "3", "4", "5"]
    assert spell(tokenizer, "x12") == ["x", "1", "2"]


def test_frequent_words_become_one_token() -> None:
    assert spell(TOKENIZER, "What") == ["What"]


@pytest.mark.parametrize("special", [PAD, BOS, EOS])
def test_text_that_spells_a_special_token_stays_text(saved: Path, special: str) -> None:
    text = f"before {special} after{special}"
    special_ids = {TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id}

    for tokenizer in (TOKENIZER, load_tokenizer(saved)):
        assert not special_ids & set(tokenizer.encode(text))
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_are_left_out_of_the_text() -> None:
    ids = [0, *TOKENIZER.encode("What"), TOKENIZER.eos_token_id, TOKENIZER.pad_token_id]

    assert TOKENIZER.decode(ids) == "What"


def test_every_id_is_below_the_vocabulary_size() -> None:
    highest = max(max(TOKENIZER.encode(text)) for text in TEXTS)

    assert highest < TOKENIZER.vocab_size <= 320
    assert TOKENIZER.vocab_size == TOKENIZER.backend.get_vocab_size()


def test_training_twice_gives_the_same_file(saved: Path, tmp_path: Path) -> None:
    train_bpe(iter(TEXTS * 5), vocab_size=320).save(tmp_path / "again")

    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()
    assert tokenizer_digest(tmp_path / "again") == tokenizer_digest(saved)


def test_other_texts_give_another_tokenizer(saved: Path, tmp_path: Path) -> None:
    train_bpe(["quite different words"] * 9, vocab_size=320).save(tmp_path / "other")

    assert tokenizer_digest(tmp_path / "other") != tokenizer_digest(saved)


def test_a_saved_tokenizer_is_loaded_as_it_was(saved: Path) -> None:
    loaded = load_tokenizer(saved)

    assert [loaded.encode(text) for text in TEXTS] == [TOKENIZER.encode(text) for text in TEXTS]
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id) == (
        TOKENIZER.bos_token_id,
        TOKENIZER.eos_token_id,
        TOKENIZER.pad_token_id,
    )
    assert len({loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id}) == 3


def test_a_special_token_may_be_described_by_an_object(saved: Path) -> None:
    edit_config(saved, eos_token={"content": EOS, "lstrip": False})

    assert load_tokenizer(saved).eos_token_id == TOKENIZER.eos_token_id


def test_without_a_padding_token_the_end_pads_and_bos_is_optional(without_bos: Path) -> None:
    loaded = load_tokenizer(without_bos)

    assert loaded.bos_token_id is None
    assert loaded.pad_token_id == loaded.eos_token_id == TOKENIZER.eos_token_id


def test_padding_and_truncation_that_a_file_asks_for_are_switched_off(saved: Path) -> None:
    TOKENIZER.backend.enable_truncation(3)
    TOKENIZER.backend.enable_padding(length=50)
    TOKENIZER.save(saved)
    TOKENIZER.backend.no_truncation()
    TOKENIZER.backend.no_padding()

    assert load_tokenizer(saved).encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0])


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()

    with pytest.raises(TokenizerError, match=f"tokenizer folder .*tokenizer has no {name}"):
        load_tokenizer(saved)


@pytest.mark.parametrize("eos", [None, "<no such token>"])
def test_a_tokenizer_that_cannot_end_a_text_is_refused(saved: Path, eos: str | None) -> None:
    edit_config(saved, eos_token=eos)

    with pytest.raises(TokenizerError, match="names no eos_token, which training needs"):
        load_tokenizer(saved)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_no_tokenizer_is_refused_naming_the_folder(saved: Path, name: str) -> None:
    (saved / name).write_text("{broken")

    with pytest.raises(TokenizerError, match=r"tokenizer folder .*tokenizer cannot be read"):
        load_tokenizer(saved)


# With transformers, whose import takes about three seconds


def test_transformers_loads_the_saved_folder_with_the_same_ids(saved: Path) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(saved, trust_remote_code=False)

    for text in [*TEXTS, " a  b\n\tc", "é 二 🙂", "12,345.60"]:
        assert theirs.encode(text, add_special_tokens=False) == TOKENIZER.encode(text)
        assert theirs.decode(TOKENIZER.encode(text)) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (TOKENIZER.eos_token_id, TOKENIZER.pad_token_id)


def test_a_foreign_tokenizer_is_copied_from_its_folder(saved: Path, tmp_path: Path) -> None:
    fetched = fetch_tokenizer(str(saved), tmp_path / "copy")

    assert fetched.encode(TEXTS[0]) == TOKENIZER.encode(TEXTS[0])
    assert load_tokenizer(tmp_path / "copy").eos_token_id == TOKENIZER.eos_token_id


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(TokenizerError, match=r"empty' is neither a folder here nor to be had from the hub"):
        fetch_tokenizer(str(tmp_path / "empty"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
