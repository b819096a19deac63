import json
from typing import Any

import pytest

from tunix_ml.contracts.base import ContractError
from tunix_ml.contracts.manifest import DatasetManifest

MANIFEST: dict[str, Any] = {
    "dataset_key": "golden-v2",
    "dataset_name": "golden",
    "dataset_version": "v2",
    "dataset_digest": "a" * 64,
    "build_id": "12345678-1234-5678-1234-567812345678",
    "created_at": "2026-11-01T00:00:00+00:00",
    "description": "Sums.",
    "license": "Apache-2.0",
    "seed": None,
    "trace_ids": ["b" * 32],
    "trace_count": 1,
    "stats": {"prompt_characters": {"mean": 12.5}},
    "splits": {"train": 1},
    "read_count": 2,
    "reject_count": 1,
    "sources": [{"name": "golden.jsonl", "sha256": "c" * 64, "num_bytes": 10, "num_records": 2}],
    "recipe_digest": "d" * 64,
    "generator_version": None,
    "code_version": "e" * 64,
}


def parse(**changes: Any) -> DatasetManifest:
    return DatasetManifest.parse(json.dumps(MANIFEST | changes).encode(), subject="manifest.json")


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = parse()

    assert DatasetManifest.parse(manifest.to_json(), subject="manifest.json") == manifest


def test_names_of_the_original_system_are_kept_in_the_file() -> None:
    names = {
        "dataset_key",
        "dataset_name",
        "dataset_version",
        "dataset_schema_version",
        "build_id",
        "created_at",
    }
    names |= {"filters", "selection_strategy", "seed", "trace_ids", "trace_count", "stats", "session_id"}
    names |= {"parent_dataset_id", "training_run_id"}

    assert names <= json.loads(parse().to_json()).keys()
    assert json.loads(parse().to_json())["build_id"] == MANIFEST["build_id"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"note": "n"}, "note: there is no such field"),
        ({"trace_count": -1}, "trace_count: .*greater than or equal to 0"),
        ({"read_count": -1}, "read_count"),
        ({"reject_count": -1}, "reject_count"),
        ({"build_id": "golden"}, "build_id: .*UUID"),
        ({"splits": {"dev": 1}}, "splits.*'train', 'validation' or 'test'"),
        ({"selection_strategy": "newest"}, "selection_strategy: Input should be 'all'"),
        ({"sources": [{"name": "golden.jsonl"}]}, r"sources\.0\.sha256: this field is required"),
    ],
)
def test_a_manifest_that_breaks_its_contract_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=rf"^manifest\.json is not a DatasetManifest: .*{message}"):
        parse(**changes)


@pytest.mark.parametrize("name", ["seed", "generator_version", "license", "dataset_digest", "code_version"])
def test_what_a_dataset_rests_on_is_never_left_out(name: str) -> None:
    data = json.dumps({key: value for key, value in MANIFEST.items() if key != name})

    with pytest.raises(ContractError, match=f"{name}: this field is required"):
        DatasetManifest.parse(data.encode(), subject="manifest.json")
