"""The head of a dataset card: YAML by which the Hugging Face Hub and its `datasets` library read a folder.

Source: https://huggingface.co/docs/hub/datasets-cards and docs/hub/datasets-data-files-configuration.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.table import Column, Kind

# Identifiers of the Hub that are the SPDX ones in lower case.
_LICENSES = frozenset(
    """
    0bsd agpl-3.0 apache-2.0 bsd-2-clause bsd-3-clause cc-by-3.0 cc-by-4.0 cc-by-nc-4.0 cc-by-nc-nd-4.0
    cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0
    cdla-sharing-1.0 gpl-2.0 gpl-3.0 isc lgpl-3.0 mit mpl-2.0 odbl odc-by pddl unlicense wtfpl
    """.split()  # noqa: SIM905
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER_SIZES = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))


class SplitSize(NamedTuple):
    """How much one split holds: rows, bytes in memory, bytes of its files, and the pattern of their names."""

    num_rows: int
    num_bytes: int
    file_bytes: int
    pattern: str


def front_matter(
    manifest: DatasetManifest, splits: Mapping[str, SplitSize], columns: Sequence[Column] | None
) -> str:
    """Return the YAML between its two lines of dashes; `columns` are those of typed files, None for texts."""
    fields: dict[str, Any] = {
        **_license(manifest.license),
        "pretty_name": manifest.dataset_key,
        "size_categories": [size_category(manifest.trace_count)],
        "tags": ["reasoning", "chain-of-thought"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": size.pattern} for name, size in splits.items()],
            }
        ],
    }
    if columns is not None:
        fields["dataset_info"] = _info(splits, columns)
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def size_category(num_rows: int) -> str:
    """Return the Hub's name for a number of rows."""
    return next((name for most, name in (*_SIZES, *_LARGER_SIZES) if num_rows < most), "n>1B")


def _license(license_id: str) -> dict[str, str]:
    name = re.sub(r"-(?:only|or-later)$", "", license_id.strip().lower())
    return (
        {"license": name} if name in _LICENSES else {"license": "other", "license_name": license_id.strip()}
    )


def _info(splits: Mapping[str, SplitSize], columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "features": [_feature(column.name, column.kind) for column in columns],
        "splits": [
            {"name": name, "num_bytes": size.num_bytes, "num_examples": size.num_rows}
            for name, size in splits.items()
        ],
        "download_size": sum(size.file_bytes for size in splits.values()),
        "dataset_size": sum(size.num_bytes for size in splits.values()),
    }


def _feature(name: str, kind: Kind) -> dict[str, Any]:
    if isinstance(kind, list):
        inner = kind[0]
        fields = [_feature(*item) for item in inner.items()] if isinstance(inner, dict) else inner
        return {"name": name, "list": fields}
    return {"name": name, "dtype": kind}
