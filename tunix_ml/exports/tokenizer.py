"""The tokenizer: a byte-level BPE trained here, or one in Hugging Face's files, behind one interface."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import file_sha256

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"


class TokenizerError(TunixError):
    """A tokenizer cannot be loaded or lacks what training needs."""


@dataclass(frozen=True)
class Tokenizer:
    """Text to ids and back; text that looks like a special token stays text."""

    backend: Backend
    bos_token_id: int | None
    eos_token_id: int
    pad_token_id: int
    config: dict[str, Any]

    @property
    def vocab_size(self) -> int:
        """All ids are below this."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""
        return list(self.backend.encode(text, add_special_tokens=False).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many texts, without special tokens."""
        encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of some ids, special tokens left out."""
        return str(self.backend.decode(list(ids), skip_special_tokens=True))

    def decode_batch(self, ids: Sequence[list[int]]) -> list[str]:
        """Return the texts of many lists of ids, special tokens left out."""
        return list(self.backend.decode_batch(list(ids), skip_special_tokens=True))

    def save(self, folder: Path) -> None:
        """Write the files from which this module and transformers' AutoTokenizer load it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.backend.save(str(folder / "tokenizer.json"))
        config = json.dumps(self.config, indent=2, sort_keys=True, ensure_ascii=False)
        (folder / "tokenizer_config.json").write_text(config + "\n", encoding="utf-8")


def train_bpe(texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Train a byte-level BPE: any text can be written, and digits stay single."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
    }
    return _wrap(backend, config, subject="the trained BPE")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load a tokenizer from a folder with `tokenizer.json` and `tokenizer_config.json`.

    Raises:
        TokenizerError: a file is missing or broken, or the configuration names no end-of-sequence token.
    """
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise TokenizerError(f"tokenizer folder {folder} has no {name}")
    try:
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
        backend = Backend.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise TokenizerError(f"tokenizer folder {folder} cannot be read: {error}") from error
    return _wrap(backend, config, subject=str(folder))


def fetch_tokenizer(name: str, folder: Path) -> Tokenizer:
    """Copy a Hugging Face tokenizer, from a local folder or the hub, into `folder` and load it there.

    Code that comes with a tokenizer is never run.

    Raises:
        TokenizerError: there is no such tokenizer, or it has no fast form.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - two seconds, and only needed for foreign ones

    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise TokenizerError(
            f"tokenizer {name!r} is neither a folder here nor to be had from the hub: {error}"
        ) from error
    if not tokenizer.is_fast:
        raise TokenizerError(f"tokenizer {name!r} has no tokenizer.json, which is needed")
    tokenizer.save_pretrained(folder)
    return load_tokenizer(folder)


def tokenizer_digest(folder: Path) -> str:
    """Return the sha256 of a tokenizer folder's `tokenizer.json`."""
    return file_sha256(folder / "tokenizer.json")


def _wrap(backend: Backend, config: dict[str, Any], *, subject: str) -> Tokenizer:
    backend.encode_special_tokens = True  # a prompt that spells <|eos|> must not end the sequence
    backend.no_padding()
    backend.no_truncation()
    eos = _special_id(backend, config.get("eos_token"))
    if eos is None:
        raise TokenizerError(f"{subject} names no eos_token, which training needs to teach the end")
    pad = _special_id(backend, config.get("pad_token"))
    bos = _special_id(backend, config.get("bos_token"))
    return Tokenizer(backend, bos, eos, eos if pad is None else pad, config)


def _special_id(backend: Backend, token: str | dict[str, Any] | None) -> int | None:
    text = token.get("content") if isinstance(token, dict) else token
    return None if text is None else backend.token_to_id(text)
