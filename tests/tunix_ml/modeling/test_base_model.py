import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.exports.tokenizer import TokenizerError, fetch_tokenizer, train_bpe
from tunix_ml.modeling.base_model import check_tokenizer, fetch_base_model

TOKENIZER = train_bpe(["What is 12 + 30? It is 42."] * 5, vocab_size=300)
INDEX = {"weight_map": {"a": "model-00002-of-2.safetensors", "b": "model-00001-of-2.safetensors"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder whose weights are in one file."""
    folder = tmp_path / "base"
    TOKENIZER.save(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same in two files."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(INDEX))
    for name in INDEX["weight_map"].values():
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """A function that sets what the hub answers, and returns what it will have been asked."""

    def answer(result: Path | Exception) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def snapshot_download(name: str, **options: Any) -> str:
            asked.update(options, name=name)
            if isinstance(result, Exception):
                raise result
            return str(result)

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
        return asked

    return answer


def edit_tokenizer(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "tokenizer.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_a_folder_is_found_where_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)

    assert fetch_base_model("base") == fetch_base_model(str(folder))
    assert fetch_base_model("base").folder == folder


def test_the_digest_is_of_the_content_and_not_of_the_place(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("not read by anyone")

    assert fetch_base_model(str(copy)).digest == fetch_base_model(str(folder)).digest


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_another_byte_is_another_model(folder: Path, name: str) -> None:
    before = fetch_base_model(str(folder)).digest
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")

    assert fetch_base_model(str(folder)).digest != before


def test_every_shard_of_the_index_counts_and_no_other(sharded: Path) -> None:
    before = fetch_base_model(str(sharded)).digest

    (sharded / "consolidated.safetensors").write_bytes(b"the same once more")
    assert fetch_base_model(str(sharded)).digest == before
    (sharded / "model-00001-of-2.safetensors").write_bytes(b"another")
    assert fetch_base_model(str(sharded)).digest != before


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "model-00001-of-2.safetensors").unlink()

    with pytest.raises(ContractError, match=r"has no model-00001-of-2\.safetensors, which its index names"):
        fetch_base_model(str(sharded))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("no json", "is not an index of safetensors"),
        ("[]", "is not an index of safetensors"),
        ('{"weight_map": ["a"]}', "is not an index of safetensors"),
        ('{"weight_map": {"a": "../other/model.safetensors"}}', "which is not a file beside it"),
    ],
)
def test_an_index_that_is_none_is_refused(sharded: Path, index: str, message: str) -> None:
    (sharded / "model.safetensors.index.json").write_text(index)

    with pytest.raises(ContractError, match=message):
        fetch_base_model(str(sharded))


def test_pickled_weights_are_refused_with_the_reason(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ContractError, match=r"only as pytorch_model\.bin, a pickle, which can run any code"):
        fetch_base_model(str(folder))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_is_no_model_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ContractError, match=f"{name}"):
        fetch_base_model(str(folder))


def test_a_name_of_the_hub_is_fetched_without_pickles_and_code(
    folder: Path, hub: Callable[..., dict[str, Any]]
) -> None:
    asked = hub(folder)

    assert fetch_base_model("someone/model") == fetch_base_model(str(folder))
    assert asked["name"] == "someone/model"
    assert not {"*.bin", "*.py", "*"} & set(asked["allow_patterns"])
    assert "trust_remote_code" not in asked


def test_what_the_hub_does_not_have_is_an_error_with_its_reason(hub: Callable[..., dict[str, Any]]) -> None:
    hub(FileNotFoundError("cannot reach the hub\nand much more"))

    with pytest.raises(ContractError, match=r"neither the hub nor its cache has it: cannot reach the hub$"):
        fetch_base_model("someone/model")


@pytest.mark.parametrize("name", ["/no/such/folder", "../model", "a/b/c", "https://hub/model", "~/nothing"])
def test_a_path_without_a_folder_never_reaches_the_hub(name: str, hub: Callable[..., dict[str, Any]]) -> None:
    asked = hub(FileNotFoundError("asked"))

    with pytest.raises(ContractError, match="is neither a folder here nor a name of the form owner/name"):
        fetch_base_model(name)
    assert asked == {}


def test_tokens_of_the_same_vocabulary_fit_whatever_the_bytes(folder: Path, tmp_path: Path) -> None:
    fetch_tokenizer(str(folder), tmp_path / "used")

    def add_pad(value: dict[str, Any]) -> None:
        extra = {"id": 300, "content": "<extra>", "special": True}
        value["added_tokens"].append({**value["added_tokens"][0], **extra})

    edit_tokenizer(tmp_path / "used", add_pad)

    check_tokenizer(folder, tmp_path / "used")


def test_tokens_of_another_vocabulary_are_refused(folder: Path, tmp_path: Path) -> None:
    train_bpe(["Another text altogether, wholly unlike."] * 5, vocab_size=300).save(tmp_path / "used")

    with pytest.raises(
        ContractError, match=rf"tokens differ, .* set `tokenizer: {folder}` of tokenized_exam"
    ):
        check_tokenizer(folder, tmp_path / "used")


def test_a_base_without_a_fast_tokenizer_is_converted(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "slow"
    base.mkdir()
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (base / "vocab.json").write_text(json.dumps(model["vocab"]))
    (base / "merges.txt").write_text("\n".join(" ".join(merge) for merge in model["merges"]))
    config = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|eos|>", "unk_token": "<|eos|>"}
    (base / "tokenizer_config.json").write_text(json.dumps({**config, "bos_token": "<|bos|>"}))

    check_tokenizer(base, folder)


def test_a_tokenizer_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "used")
    (folder / "tokenizer.json").write_text("{}")

    with pytest.raises(TokenizerError, match=r"base/tokenizer\.json cannot be read"):
        check_tokenizer(folder, tmp_path / "used")
