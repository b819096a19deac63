from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCardData

from tunix_ml.contracts.manifest import DatasetManifest
from tunix_ml.contracts.trace import TRACES_SCHEMA
from tunix_ml.datasets.front_matter import SplitSize, front_matter, size_category
from tunix_ml.datasets.read import Dataset
from tunix_ml.snapshot import Snapshot

SIZES = {
    "train": SplitSize(80, 8_000, 2_000, "data/train-*.parquet"),
    "test": SplitSize(20, 2_000, 500, "data/test-*.parquet"),
}


@pytest.fixture
def manifest(golden: Snapshot) -> DatasetManifest:
    return Dataset(golden).manifest


def read(text: str) -> dict[str, Any]:
    opening, head, rest = text.split("---\n")
    assert (opening, rest) == ("", "")
    fields: dict[str, Any] = yaml.safe_load(head)
    return fields


def test_the_head_says_which_files_hold_which_split(manifest: DatasetManifest) -> None:
    fields = read(front_matter(manifest, SIZES, TRACES_SCHEMA))

    assert fields["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*.parquet"},
                {"split": "test", "path": "data/test-*.parquet"},
            ],
        }
    ]


def test_the_head_says_license_and_sizes(manifest: DatasetManifest) -> None:
    fields = read(front_matter(manifest, SIZES, TRACES_SCHEMA))

    assert (fields["license"], fields["size_categories"]) == ("apache-2.0", ["n<1K"])
    assert fields["dataset_info"]["splits"] == [
        {"name": "train", "num_bytes": 8_000, "num_examples": 80},
        {"name": "test", "num_bytes": 2_000, "num_examples": 20},
    ]
    assert fields["dataset_info"]["download_size"] == 2_500
    assert fields["dataset_info"]["dataset_size"] == 10_000


def test_the_features_are_those_of_the_table(manifest: DatasetManifest) -> None:
    features = read(front_matter(manifest, SIZES, TRACES_SCHEMA))["dataset_info"]["features"]

    by_name = {feature.pop("name"): feature for feature in features}
    assert by_name["prompt"] == {"dtype": "string"}
    assert by_name["steps"] == {
        "list": [
            {"name": "i", "dtype": "int64"},
            {"name": "type", "dtype": "string"},
            {"name": "content", "dtype": "string"},
        ]
    }


def test_text_files_have_no_features(manifest: DatasetManifest) -> None:
    assert "dataset_info" not in read(front_matter(manifest, SIZES, None))


def test_the_hub_reads_the_head(manifest: DatasetManifest) -> None:
    fields = read(front_matter(manifest, SIZES, TRACES_SCHEMA))

    data = DatasetCardData(**fields)

    assert data.license == "apache-2.0"
    assert data.size_categories == ["n<1K"]


@pytest.mark.parametrize(
    ("spdx", "fields"),
    [
        ("MIT", {"license": "mit"}),
        ("CC-BY-SA-4.0", {"license": "cc-by-sa-4.0"}),
        ("GPL-3.0-or-later", {"license": "gpl-3.0"}),
        ("Our terms: ask first", {"license": "other", "license_name": "Our terms: ask first"}),
    ],
)
def test_a_license_that_the_hub_does_not_know_is_named_as_another(
    manifest: DatasetManifest, spdx: str, fields: dict[str, str]
) -> None:
    found = read(front_matter(manifest.model_copy(update={"license": spdx}), SIZES, None))

    assert {name: found[name] for name in found if name.startswith("license")} == fields


@pytest.mark.parametrize(
    ("num_rows", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (2_000_000, "1M<n<10M"), (10**10, "n>1B")],
)
def test_the_size_has_a_name(num_rows: int, category: str) -> None:
    assert size_category(num_rows) == category
