"""The model folder that a fine-tuning starts from: found here or on the hub, and identified by its content.

Only configuration, safetensors and tokenizer files are ever fetched or read: no pickle, and no code that
comes with a model. Reading the parameters is the business of `huggingface`.
"""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from tokenizers import Tokenizer as Backend

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.canonical import file_sha256, record_digest
from tunix_ml.exports.tokenizer import TokenizerError, fetch_tokenizer, load_tokenizer
from tunix_ml.modeling.config_json import CONFIG_FILE
from tunix_ml.modeling.shards import INDEX_FILE, WEIGHTS_FILE, read_index

TOKENIZER_FILE = "tokenizer.json"
_FETCHED = ["*.json", "*.safetensors", "*.jinja", "merges.txt", "vocab.txt", "*.model"]
_NOT_FETCHED = ["*/*"]  # other formats and originals lie in folders of their own
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)


class BaseModel(NamedTuple):
    """A model folder on this machine, and the digest of what it holds."""

    folder: Path
    digest: str


def fetch_base_model(name: str) -> BaseModel:
    """Return the folder of a model: a local one, or a copy of the hub's in its cache.

    Without a network, or with HF_HUB_OFFLINE set, what the cache holds is taken.

    Args:
        name: path of a folder, or `owner/name` on the hub.

    Raises:
        ContractError: there is no such model, or it has no safetensors or no configuration.
    """
    path = Path(name).expanduser()
    folder = path.absolute() if path.is_dir() else _from_hub(name)
    return BaseModel(folder, content_digest(folder))


def content_digest(folder: Path) -> str:
    """Return the digest of a model's configuration, weights and tokenizer, in hexadecimal.

    Raises:
        ContractError: one of the files is missing, or the weights are pickled.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise ContractError(f"base model {folder} has no {CONFIG_FILE}")
    names = [CONFIG_FILE, *weight_files(folder)]
    if (folder / TOKENIZER_FILE).is_file():
        names.append(TOKENIZER_FILE)
    return record_digest({name: file_sha256(folder / name) for name in names})


def weight_files(folder: Path) -> list[str]:
    """Return the names of the safetensors files that hold a model, those of its index if it has one.

    Raises:
        ContractError: there are none, or one that the index names is missing.
    """
    if (folder / WEIGHTS_FILE).is_file():
        return [WEIGHTS_FILE]
    if not (folder / INDEX_FILE).is_file():
        raise ContractError(f"base model {folder} {_without_safetensors(folder)}")
    names = sorted(set(read_index(folder / INDEX_FILE).values()))
    for name in names:
        if not (folder / name).is_file():
            raise ContractError(f"base model {folder} has no {name}, which its index names")
    return names


def check_tokenizer(folder: Path, used: Path) -> None:
    """Make sure that tokens were made with a base model's tokenizer.

    Compared is what matters to the model, the id of every token: transformers writes other bytes from one
    version to the next. Tokens beyond the base's vocabulary, such as an added padding token, are allowed.

    Args:
        folder: the base model's.
        used: the tokenizer's folder that lies beside the tokens.

    Raises:
        ContractError: a token of the base has another id, or none.
        TokenizerError: one of the tokenizers cannot be read.
    """
    theirs, ours = _vocabulary(folder), load_tokenizer(used).backend.get_vocab(with_added_tokens=True)
    differing = sorted(token for token, token_id in theirs.items() if ours.get(token) != token_id)
    if differing:
        token = differing[0]
        raise ContractError(
            f"the tokens were not made with the tokenizer of base model {folder}: {len(differing)} tokens"
            f" differ, {token!r} is {theirs[token]} there and {ours.get(token)} here;"
            f" set `tokenizer: {folder}` of tokenized_examples and make the tokens again"
        )


def _from_hub(name: str) -> Path:
    if not _HUB_NAME.fullmatch(name):
        raise ContractError(f"base_model {name!r} is neither a folder here nor a name of the form owner/name")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only needed for foreign models

    try:
        folder = snapshot_download(name, allow_patterns=_FETCHED, ignore_patterns=_NOT_FETCHED)
    except Exception as error:  # its client's errors have no base in common
        reason = str(error).strip().partition("\n")[0]
        raise ContractError(
            f"base_model {name!r} is not a folder here, and neither the hub nor its cache has it: {reason}"
        ) from error
    return Path(folder)


def _without_safetensors(folder: Path) -> str:
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if not pickled:
        return f"has neither {WEIGHTS_FILE} nor {INDEX_FILE}"
    return (
        f"has its weights only as {pickled[0]}, a pickle, which can run any code when it is read:"
        " save it as safetensors first"
    )


def _vocabulary(folder: Path) -> dict[str, int]:
    """Return the id of each token of a model folder; one without tokenizer.json is converted."""
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        with tempfile.TemporaryDirectory() as converted:
            return dict(
                fetch_tokenizer(str(folder), Path(converted)).backend.get_vocab(with_added_tokens=True)
            )
    try:
        return dict(Backend.from_file(str(path)).get_vocab(with_added_tokens=True))
    except Exception as error:  # what the library raises is not narrower
        raise TokenizerError(f"{path} cannot be read: {error}") from error
