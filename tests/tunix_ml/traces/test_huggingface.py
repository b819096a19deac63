import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunix_ml.contracts.recipe import HuggingFaceSource
from tunix_ml.traces.huggingface import folder_files, split_files
from tunix_ml.traces.lines import SourceError

ROW = pa.table({"question": ["1 + 1?"]})


def put(folder, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(ROW, folder / name)


def files(folder, **options) -> list[str]:
    source = HuggingFaceSource(kind="huggingface", path=str(folder), **options)
    return [file.name for file in folder_files(source, base_dir=folder)]


def card(folder, head: str) -> None:
    (folder / "README.md").write_text(f"---\n{head}\n---\n\n# A dataset\n")


@pytest.mark.parametrize(
    ("name", "config", "split"),
    [
        ("data/train-00000-of-00002.parquet", "default", "train"),
        ("data/validation-00000-of-00001-5eb1b9c5aa0bbd70.parquet", "default", "validation"),
        ("main/test-00000-of-00001.parquet", "main", "test"),
        ("test.parquet", "default", "test"),
        ("my_dev_rows.parquet", "default", "validation"),
        ("training/0.parquet", "default", "train"),
        ("socratic/test/0000.parquet", "socratic", "test"),
        ("data/hard-00000-of-00001.parquet", "default", "hard"),
        ("rows.parquet", "default", "train"),
        ("latest.parquet", "default", "train"),
    ],
)
def test_the_path_of_a_file_tells_its_configuration_and_split(tmp_path, name, config, split):
    put(tmp_path, name)

    (found,) = split_files(tmp_path)

    assert (found.config, found.split, found.file.name) == (config, split, name)


def test_splits_are_read_in_the_order_asked_for_and_shards_in_the_order_of_their_names(tmp_path):
    put(
        tmp_path,
        *(f"data/{name}.parquet" for name in ("train-00001-of-00002", "train-00000-of-00002", "test")),
    )

    assert files(tmp_path, splits=("train",)) == [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
    ]
    assert len(files(tmp_path)) == 3
    with pytest.raises(SourceError, match="has no split 'validation', it has test, train"):
        files(tmp_path, splits=("validation",))


def test_of_several_configurations_one_must_be_named(tmp_path):
    put(tmp_path, "main/train.parquet", "socratic/train.parquet")

    assert files(tmp_path, config="socratic") == ["socratic/train.parquet"]
    with pytest.raises(SourceError, match="has the configurations main, socratic: say which"):
        files(tmp_path)
    with pytest.raises(SourceError, match="has no configuration 'other'"):
        files(tmp_path, config="other")


def test_a_card_says_which_files_belong_to_what(tmp_path):
    put(tmp_path, "x/one.parquet", "x/two.parquet", "unlisted.parquet")
    card(
        tmp_path,
        "configs:\n- config_name: tiny\n  data_files:\n  - split: train\n    path: x/o*\n"
        "  - {split: test, path: [x/two.parquet]}\n- config_name: all\n  data_files: x/*.parquet",
    )

    assert files(tmp_path, config="tiny") == ["x/one.parquet", "x/two.parquet"]
    assert files(tmp_path, config="tiny", splits=("test",)) == ["x/two.parquet"]
    assert files(tmp_path, config="all") == ["x/one.parquet", "x/two.parquet"]


def test_a_card_without_files_leaves_it_to_the_names(tmp_path):
    put(tmp_path, "train.parquet", ".cache/train.parquet")
    card(tmp_path, "license: mit\nconfigs: []")

    assert files(tmp_path) == ["train.parquet"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../outside.parquet", "expected a file within the folder"),
        ("/etc/passwd", "expected a file within the folder"),
        ("https://example.org/a.parquet", "expected a file within the folder"),
        ("none-*.parquet", "where no file is"),
        ("README.md", "expected a Parquet file"),
    ],
)
def test_a_card_that_names_what_is_not_there_is_an_error(tmp_path, path, message):
    put(tmp_path, "train.parquet")
    card(tmp_path, f"configs:\n- data_files: {path}")

    with pytest.raises(SourceError, match=message):
        files(tmp_path)


def test_a_head_that_is_no_yaml_is_an_error(tmp_path):
    card(tmp_path, "a: [")

    with pytest.raises(SourceError, match="is not YAML"):
        files(tmp_path)


def save(folder, *names: str, **state) -> None:
    folder.mkdir(parents=True)
    for name in names:
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, ROW.schema) as writer:
            writer.write_table(ROW)
    fields = {"_data_files": [{"filename": name} for name in names], "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(fields))


def test_the_folder_of_save_to_disk_is_read_split_by_split(tmp_path):
    for split in ("train", "test"):
        save(tmp_path / "saved" / split, "data-00000-of-00001.arrow")
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')

    assert files(tmp_path / "saved") == ["train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"]
    assert files(tmp_path / "saved", splits=("test",)) == ["test/data-00000-of-00001.arrow"]


def test_a_single_saved_dataset_is_its_split(tmp_path):
    save(tmp_path / "one", "data.arrow", _split="test")

    assert [found.split for found in split_files(tmp_path / "one")] == ["test"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": []}, "names no data files"),
        ({"_indices_data_files": ["x"]}, "save it again after flatten_indices"),
        ({"_data_files": [{"filename": "../x.arrow"}]}, "within the folder"),
    ],
)
def test_a_saved_folder_that_cannot_be_read_whole_is_an_error(tmp_path, state, message):
    save(tmp_path / "one", "data.arrow", **state)

    with pytest.raises(SourceError, match=message):
        files(tmp_path / "one")


@pytest.mark.parametrize("text", ["[]", "no json", '{"splits": 3}'])
def test_a_damaged_list_of_splits_is_an_error(tmp_path, text):
    (tmp_path / "dataset_dict.json").write_text(text)

    with pytest.raises(SourceError, match=r"dataset_dict\.json"):
        files(tmp_path)


def test_a_folder_without_data_and_no_folder_are_errors(tmp_path):
    with pytest.raises(SourceError, match="has no Parquet files"):
        files(tmp_path)
    with pytest.raises(SourceError, match="is no folder"):
        files(tmp_path / "none")
