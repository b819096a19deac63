"""A dataset folder of the Hugging Face form: which of its files hold which split of which configuration.

Three forms are read, without the `datasets` library: a card that lists the files, file names that tell the
split (`data/train-00000-of-00002.parquet`, `main/test.parquet`, `validation/0.parquet`), and the folder that
`save_to_disk` writes, of Arrow files.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from tunix_ml.contracts.recipe import HuggingFaceSource
from tunix_ml.traces.globs import NamedFile, is_pattern
from tunix_ml.traces.lines import SourceError
from tunix_ml.traces.sources import expand
from tunix_ml.traces.table_files import PARQUET_SUFFIXES

DEFAULT_CONFIG = "default"
_FRONT_MATTER = re.compile(r"---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_SHARD = re.compile(r"(?P<split>\w+(?:\.\w+)*?)-[0-9]{5}-of-[0-9]{5}(?:-[0-9a-f]+)?\Z")
_SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF_WORD = {word: split for split, words in _SPLIT_NAMES.items() for word in words}
_WORDS = re.compile(r"[a-z]+")
_DICT, _STATE = "dataset_dict.json", "state.json"


class SplitFile(NamedTuple):
    """One file of a folder, and what it belongs to."""

    config: str
    split: str
    file: NamedFile


def folder_files(source: HuggingFaceSource, *, base_dir: Path) -> tuple[NamedFile, ...]:
    """Return the files that a source means, splits in the order asked for, named below the folder.

    Raises:
        SourceError: there is no such folder, configuration or split, or a listed file is missing or outside.
    """
    folder = base_dir / expand(source.path)
    if not folder.is_dir():
        raise SourceError(f"source path {source.path!r} leads to {folder}, which is no folder")
    found = split_files(folder)
    if not found:
        raise SourceError(f"{folder} has no Parquet files and is not of save_to_disk")
    of_config = _of_config(found, source.config, folder=folder)
    splits = list(dict.fromkeys(entry.split for entry in of_config))
    for split in source.splits:
        if split not in splits:
            raise SourceError(f"{folder} has no split {split!r}, it has {', '.join(splits)}")
    wanted = source.splits or tuple(splits)
    return tuple(entry.file for split in wanted for entry in of_config if entry.split == split)


def split_files(folder: Path) -> list[SplitFile]:
    """Return every file of a folder with its configuration and split, sorted within a split.

    Raises:
        SourceError: the card or the state of the folder is damaged or names what is not there.
    """
    if (folder / _DICT).is_file():
        names = _json(folder / _DICT).get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SourceError(f"{folder / _DICT} has splits {names!r:.80}, expected a list of names")
        return [entry for name in names for entry in _saved(folder, _inside(folder, name), split=name)]
    if (folder / _STATE).is_file():
        return list(_saved(folder, folder, split=None))
    return list(_listed(folder, _configs(folder)) or _named(folder))


def _of_config(found: list[SplitFile], config: str | None, *, folder: Path) -> list[SplitFile]:
    configs = list(dict.fromkeys(entry.config for entry in found))
    if config is None and len(configs) > 1:
        raise SourceError(f"{folder} has the configurations {', '.join(configs)}: say which, with `config`")
    if config is not None and config not in configs:
        raise SourceError(f"{folder} has no configuration {config!r}, it has {', '.join(configs)}")
    return [entry for entry in found if config is None or entry.config == config]


def _saved(folder: Path, part: Path, *, split: str | None) -> Iterator[SplitFile]:
    state = _json(part / _STATE)
    if state.get("_indices_data_files"):
        raise SourceError(
            f"{part} was saved with an index over its rows: save it again after flatten_indices"
        )
    files = state.get("_data_files")
    if not isinstance(files, list) or not files:
        raise SourceError(f"{part / _STATE} names no data files")
    for entry in files:
        path = _inside(part, str(entry.get("filename") if isinstance(entry, dict) else entry))
        name = split or str(state.get("_split") or "train")
        yield SplitFile(DEFAULT_CONFIG, name, NamedFile(path.relative_to(folder).as_posix(), path))


def _configs(folder: Path) -> list[Mapping[str, Any]]:
    card = folder / "README.md"
    match = _FRONT_MATTER.match(card.read_text(encoding="utf-8")) if card.is_file() else None
    if match is None:
        return []
    try:
        fields = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise SourceError(f"the head of {card} is not YAML: {error}") from error
    configs = fields.get("configs") if isinstance(fields, dict) else None
    found = configs if isinstance(configs, list) else []
    return [config for config in found if isinstance(config, dict) and config.get("data_files")]


def _listed(folder: Path, configs: list[Mapping[str, Any]]) -> list[SplitFile]:
    return [
        SplitFile(str(config.get("config_name") or DEFAULT_CONFIG), split, file)
        for config in configs
        for split, patterns in _patterns(config["data_files"])
        for pattern in patterns
        for file in _matches(folder, pattern)
    ]


def _patterns(data_files: Any) -> Iterator[tuple[str, list[str]]]:
    entries = data_files if isinstance(data_files, list) else [data_files]
    for entry in entries:
        if isinstance(entry, dict):
            paths = entry.get("path") or []
            yield str(entry.get("split") or "train"), [paths] if isinstance(paths, str) else list(paths)
        else:
            yield "train", [str(entry)]


def _matches(folder: Path, pattern: str) -> list[NamedFile]:
    _inside(folder, pattern)
    paths = sorted(folder.glob(pattern)) if is_pattern(pattern) else [folder / pattern]
    files = [path for path in paths if path.is_file()]
    if not files:
        raise SourceError(f"the card of {folder} names {pattern!r}, where no file is")
    for path in files:
        if not path.name.endswith(PARQUET_SUFFIXES):
            raise SourceError(f"the card of {folder} names {path.name!r}, expected a Parquet file")
    return [NamedFile(path.relative_to(folder).as_posix(), path) for path in files]


def _named(folder: Path) -> Iterator[SplitFile]:
    for path in sorted(path for suffix in PARQUET_SUFFIXES for path in folder.rglob(f"*{suffix}")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            config, split = _told_by(PurePosixPath(name.as_posix()))
            yield SplitFile(config, split, NamedFile(name.as_posix(), path))


def _told_by(name: PurePosixPath) -> tuple[str, str]:
    """Return the configuration and split that a path tells, `default` and `train` where it tells none."""
    folders = [part for part in name.parts[:-1] if part != "data"]
    shard = _SHARD.match(name.stem)
    split = _SPLIT_OF_WORD.get(shard["split"], shard["split"]) if shard else _split_in(name.stem)
    if split is None and folders:
        split = _SPLIT_OF_WORD.get(folders[-1].lower())
        folders = folders[:-1] if split else folders
    return folders[0] if folders else DEFAULT_CONFIG, split or "train"


def _split_in(stem: str) -> str | None:
    return next(
        (_SPLIT_OF_WORD[word] for word in _WORDS.findall(stem.lower()) if word in _SPLIT_OF_WORD), None
    )


def _inside(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "://" in name:
        raise SourceError(f"{folder} names {name!r}, expected a file within the folder")
    return folder / path


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise SourceError(f"{path} holds {value!r:.60}, expected an object")
    return value
