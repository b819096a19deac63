from pathlib import Path

import pyarrow as pa
import pytest

from tunix_ml.exports.shards import Shard, ShardCache

SHARD = Shard(pa.table({"ids": [[1, 2], [3]]}), pa.table({"trace_id": ["a"]}), 2)


def refuse() -> Shard:
    raise AssertionError("the shard is made again")


def test_a_shard_is_made_once(tmp_path: Path) -> None:
    first = ShardCache(tmp_path / "cache").get("k", lambda: SHARD)
    again = ShardCache(tmp_path / "cache").get("k", refuse)

    assert first == SHARD
    assert again.rows.equals(SHARD.rows)
    assert again.index.select(["trace_id"]).equals(SHARD.index)
    assert again.num_examples == 2


def test_another_key_is_another_shard(tmp_path: Path) -> None:
    cache = ShardCache(tmp_path)
    cache.get("k", lambda: SHARD)

    with pytest.raises(AssertionError, match="made again"):
        cache.get("l", refuse)


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_flipped_bit_is_found_and_the_shard_made_again(tmp_path: Path, position: int) -> None:
    ShardCache(tmp_path).get("k", lambda: SHARD)
    data = bytearray((tmp_path / "k.shard").read_bytes())
    data[position] ^= 1
    (tmp_path / "k.shard").write_bytes(data)

    again = ShardCache(tmp_path).get("k", lambda: SHARD._replace(num_examples=5))

    assert again.num_examples == 5
    assert ShardCache(tmp_path).get("k", refuse).num_examples == 5


def test_a_shard_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    ShardCache(tmp_path).get("k", lambda: SHARD)
    (tmp_path / "k.shard").write_bytes(b"")

    assert ShardCache(tmp_path).get("k", lambda: SHARD) == SHARD


def test_shards_that_nobody_asked_for_are_deleted(tmp_path: Path) -> None:
    ShardCache(tmp_path).get("old", lambda: SHARD)
    cache = ShardCache(tmp_path)
    cache.get("new", lambda: SHARD)

    cache.forget_unused()

    assert [path.name for path in tmp_path.iterdir()] == ["new.shard"]
