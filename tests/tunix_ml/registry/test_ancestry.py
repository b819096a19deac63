from collections.abc import Callable

import pytest

from tunix_ml.registry.ancestry import GONE, Ancestor, NoSuchRow, ancestry, find_row
from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

SET = "golden-v2.test"


def everything(ancestor: Ancestor) -> list[Ancestor]:
    return [ancestor, *(found for behind in ancestor.behind for found in everything(behind))]


def test_a_row_leads_back_to_the_source_file(
    store: Store, golden: Snapshot, evaluated: Callable[..., Slot]
) -> None:
    slot = evaluated()
    (row,) = collect_leaderboard(store, required_checks=()).rows

    found = everything(ancestry(store, row))

    by_kind = {ancestor.kind: ancestor for ancestor in found}
    run = store.run(slot.key)
    assert by_kind["row"].digest == row["fingerprint"]
    assert by_kind[f"eval/{SET}"].digest == row["eval_digest"]
    assert by_kind["model"].digest == run.slot("model").resolve().digest
    assert by_kind["dataset"].digest == golden.digest
    assert {"tokenized_examples", "sft_export", "recipe", "configuration", "scorer"} <= by_kind.keys()
    (source,) = {ancestor for ancestor in found if ancestor.kind == "source"}
    assert (source.name, len(source.digest)) == ("generator:golden", 64)
    assert GONE not in {ancestor.found for ancestor in found}


def test_what_is_no_longer_there_is_said_to_be_gone(store: Store, evaluated: Callable[..., Slot]) -> None:
    evaluated()
    (row,) = collect_leaderboard(store, required_checks=()).rows
    with store.slot("sft_export", "golden-v2").publish() as draft:
        (draft.path / "other").write_text("another export")
    store.slot("sft_export", "golden-v2").resolve()
    import shutil

    for path in store.slot("sft_export", "golden-v2").path.glob("[0-9a-f]" * 16):
        if path != draft.snapshot.path:
            shutil.rmtree(path)

    found = ancestry(store, row)

    assert "sft_export" in {one.role for one in everything(found) if one.found == GONE}
    assert any(line.endswith("(no longer in the store)") for line in found.lines())


def test_the_lines_are_indented_and_tell_nothing_twice(store: Store, evaluated: Callable[..., Slot]) -> None:
    evaluated()
    (row,) = collect_leaderboard(store, required_checks=()).rows

    lines = list(ancestry(store, row).lines())

    assert lines[0].startswith("row: row ")
    assert lines[1].startswith("  report: eval/golden-v2.test ")
    assert sum(line.strip().startswith("read from: source generator:golden") for line in lines) == 1
    assert any(line.endswith("(see above)") for line in lines)


def test_a_row_is_found_by_its_run_where_it_is_the_only_one(
    store: Store, evaluated: Callable[..., Slot]
) -> None:
    run_id = evaluated().key
    rows = collect_leaderboard(store, required_checks=()).rows

    assert find_row(rows, run_id) == rows[0]
    assert find_row(rows, run_id, evaluation_set=SET) == rows[0]
    with pytest.raises(NoSuchRow, match="no row by answers on the leaderboard"):
        find_row(rows, "other")
    with pytest.raises(NoSuchRow, match="has no row on eval-v1 by answers"):
        find_row(rows, run_id, evaluation_set="eval-v1")
    with pytest.raises(NoSuchRow, match=r"on golden-v2\.test, golden-v2\.test"):
        find_row(rows * 2, run_id)
