from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.export import ExportConfig
from tunix_ml.contracts.tokens import (
    TOKENIZED_EXAMPLES_SCHEMA,
    TOKENS_SCHEMA,
    Layout,
    TokenizeConfig,
    TokensManifest,
)
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.exports.packing import Placement
from tunix_ml.exports.render import read_export, render_dataset
from tunix_ml.exports.tokenize import Example, TokenizedSplit, encode_prompt, fill_rows, tokenize_export
from tunix_ml.exports.tokenizer import TokenizerError, load_tokenizer, train_bpe
from tunix_ml.snapshot import NotPublished, Snapshot
from tunix_ml.store import Store


def manifest_of(tokens: Snapshot) -> TokensManifest:
    return TokensManifest.read(tokens.file("tokens.json"))


def cells(tokens: Snapshot, column: str, split: str) -> np.ndarray:
    rows = pq.read_table(tokens.file("tokens.parquet")).to_pylist()
    return np.array([row[column] for row in rows if row["split"] == split])


def written(tokens: Snapshot, split: str) -> dict[str, tuple[str, str]]:
    """Return the prompt and the response of each example, read back through the index and the tokenizer."""
    tokenizer = load_tokenizer(tokens.file("tokenizer/tokenizer.json").parent)
    ids = cells(tokens, "input_ids", split)
    found = {}
    for entry in pq.read_table(tokens.file("examples.parquet")).to_pylist():
        if entry["split"] == split:
            middle = entry["start"] + entry["num_prompt_tokens"]
            row, end = ids[entry["row"]], middle + entry["num_completion_tokens"]
            found[entry["trace_id"]] = (
                tokenizer.decode(row[entry["start"] : middle]),
                tokenizer.decode(row[middle:end]),
            )
    return found


# By hand


def test_two_examples_in_a_row_computed_by_hand() -> None:
    examples = [Example("a", [1, 5, 6], [7, 2]), Example("b", [1, 8], [9, 9, 2]), Example("c", [1, 3], [2])]
    split = TokenizedSplit(examples, [Placement(0, 5), Placement(0, 0), Placement(1, 0)], 2, 0)

    arrays = fill_rows(split, seq_len=11, pad_token_id=0)

    assert arrays["input_ids"].tolist() == [[1, 8, 9, 9, 2, 1, 5, 6, 7, 2, 0], [1, 3, 2, *[0] * 8]]
    assert arrays["loss_mask"].tolist() == [[0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0], [0, 0, 1, *[0] * 8]]
    assert arrays["segment_ids"].tolist() == [[1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0], [1, 1, 1, *[0] * 8]]
    assert arrays["positions"].tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0], [0, 1, 2, *[0] * 8]]


def test_a_prompt_begins_with_bos_where_there_is_one() -> None:
    tokenizer = train_bpe(["Why?"], vocab_size=300)
    foreign = tokenizer.__class__(tokenizer.backend, None, 2, 2, {})

    assert encode_prompt(tokenizer, "Why?") == [1, *tokenizer.encode("Why?")]
    assert encode_prompt(foreign, "Why?") == tokenizer.encode("Why?")


# The whole of golden-v2


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_rows_hold_every_example_once_as_it_was_exported(
    store: Store, exported: Snapshot, layout: Layout, split: str
) -> None:
    tokens = tokenize_export(store, "golden-v2", TokenizeConfig(layout=layout))

    records = read_export(exported, "training_example", split)
    assert written(tokens, split) == {r["id"]: (r["prompt"], r["response"]) for r in records}


def test_exactly_the_completions_carry_loss_and_end_with_eos(tokenized: Snapshot) -> None:
    manifest = manifest_of(tokenized)
    ids, mask = cells(tokenized, "input_ids", "train"), cells(tokenized, "loss_mask", "train")
    index = pq.read_table(tokenized.file("examples.parquet")).to_pylist()

    expected = np.zeros_like(mask)
    for entry in index:
        if entry["split"] == "train":
            end = entry["start"] + entry["num_prompt_tokens"] + entry["num_completion_tokens"]
            expected[entry["row"], end - entry["num_completion_tokens"] : end] = 1
            assert ids[entry["row"], end - 1] == manifest.eos_token_id

    assert np.array_equal(mask, expected)
    assert np.count_nonzero(ids == manifest.eos_token_id) == manifest.num_examples["train"]


def test_padding_lies_outside_every_segment(tokenized: Snapshot) -> None:
    ids, segments = (cells(tokenized, name, "train") for name in ("input_ids", "segment_ids"))

    assert np.array_equal(ids == manifest_of(tokenized).pad_token_id, segments == 0)
    assert cells(tokenized, "loss_mask", "train")[segments == 0].sum() == 0


def test_a_padded_row_holds_one_example(store: Store, exported: Snapshot) -> None:
    tokens = tokenize_export(store, "golden-v2", TokenizeConfig(layout="padded"))

    assert manifest_of(tokens).num_rows == manifest_of(tokens).num_examples
    assert cells(tokens, "segment_ids", "train").max() == 1


def test_packing_takes_far_fewer_rows(tokenized: Snapshot) -> None:
    manifest = manifest_of(tokenized)

    assert manifest.num_rows["train"] < 0.6 * manifest.num_examples["train"]
    assert manifest.fill["train"] > 0.9
    assert manifest.fill["train"] == manifest.num_tokens["train"] / (manifest.num_rows["train"] * 256)


def test_the_tables_have_their_declared_columns(tokenized: Snapshot) -> None:
    assert pq.read_schema(tokenized.file("tokens.parquet")).equals(TOKENS_SCHEMA.arrow())
    assert pq.read_schema(tokenized.file("examples.parquet")).equals(TOKENIZED_EXAMPLES_SCHEMA.arrow())
    assert np.all(
        cells(tokenized, "input_ids", "train").shape == (manifest_of(tokenized).num_rows["train"], 256)
    )


def test_the_test_split_is_not_among_the_rows(exported: Snapshot, tokenized: Snapshot) -> None:
    held_out = {record["id"] for record in read_export(exported, "training_example", "test")}
    index = pq.read_table(tokenized.file("examples.parquet"))

    assert set(index["split"].to_pylist()) == {"train", "validation"}
    assert not held_out & set(index["trace_id"].to_pylist())


def test_a_long_example_is_left_out_and_counted_and_never_cut(store: Store, exported: Snapshot) -> None:
    tokens = tokenize_export(store, "golden-v2", TokenizeConfig(seq_len=64, layout="padded"))
    manifest = manifest_of(tokens)
    records = {
        r["id"]: (r["prompt"], r["response"]) for r in read_export(exported, "training_example", "train")
    }

    kept = written(tokens, "train")
    assert 0 < manifest.num_truncated["train"] < len(records)
    assert len(kept) + manifest.num_truncated["train"] == len(records)
    assert kept == {trace_id: records[trace_id] for trace_id in kept}


def test_the_same_export_gives_the_same_tokens(store: Store, tokenized: Snapshot) -> None:
    again = tokenize_export(store, "golden-v2", TokenizeConfig())

    assert (again.digest, again.record.files) == (tokenized.digest, tokenized.record.files)


def test_the_tokens_name_what_they_were_made_from(
    golden: Snapshot, exported: Snapshot, tokenized: Snapshot
) -> None:
    manifest = manifest_of(tokenized)

    assert tokenized.record.parents == {"sft_export": exported.digest}
    assert (manifest.dataset_digest, manifest.export_digest) == (golden.digest, exported.digest)
    assert (manifest.template, manifest.tokenizer, manifest.vocab_size) == ("reasoning_tags", "bpe", 512)


def test_an_earlier_export_can_be_asked_for(store: Store, exported: Snapshot) -> None:
    render_dataset(store, "golden-v2", ExportConfig(template="answer_only"))

    tokens = tokenize_export(store, "golden-v2", TokenizeConfig(), export_digest=exported.digest)

    assert manifest_of(tokens).template == "reasoning_tags"


# Foreign tokenizers and missing inputs


def test_a_foreign_tokenizer_makes_the_rows_of_its_own_ids(
    store: Store, exported: Snapshot, tmp_path: Path
) -> None:
    train_bpe(["Only these words."], vocab_size=300).save(tmp_path / "foreign")

    tokens = tokenize_export(
        store, "golden-v2", TokenizeConfig(tokenizer=str(tmp_path / "foreign"), seq_len=1_024)
    )

    assert manifest_of(tokens).vocab_size < 300
    records = read_export(exported, "training_example", "train")
    assert written(tokens, "train") == {r["id"]: (r["prompt"], r["response"]) for r in records}


def test_an_absent_tokenizer_publishes_nothing(store: Store, exported: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="neither a folder here nor to be had from the hub"):
        tokenize_export(store, "golden-v2", TokenizeConfig(tokenizer=str(tmp_path)))

    assert store.slot("tokenized_examples", "golden-v2").pointer() is None


def test_a_split_without_examples_has_no_row(store: Store, write_entry: Callable[..., CatalogEntry]) -> None:
    step = {"i": 0, "type": "reasoning", "content": "It is."}
    trace = {"trace_version": "1.0", "prompt": "Why?", "final_answer": "so", "steps": [step]}
    build_dataset(store, write_entry([trace], splits={"train": 1.0}), report=print)
    render_dataset(store, "mine-v1", ExportConfig())

    manifest = manifest_of(tokenize_export(store, "mine-v1", TokenizeConfig()))

    assert (manifest.num_rows, manifest.num_examples) == ({"train": 1, "validation": 0},) * 2
    assert manifest.fill["validation"] == 0


def test_without_an_export_there_is_nothing_to_tokenize(store: Store, golden: Snapshot) -> None:
    with pytest.raises(NotPublished, match="sft_export of 'golden-v2' has not been materialized yet"):
        tokenize_export(store, "golden-v2", TokenizeConfig())
