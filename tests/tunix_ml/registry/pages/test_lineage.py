from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunix_ml.registry.leaderboard import collect_leaderboard
from tunix_ml.registry.pages.evaluations import Evaluation, EvaluationReader
from tunix_ml.registry.pages.lineage import Link, lineage
from tunix_ml.registry.pages.run_files import RunFiles, read_run_files
from tunix_ml.slot import Slot
from tunix_ml.store import Store

Evaluated = Callable[..., Slot]


def chain_of(store: Store) -> list[Link]:
    (row,) = collect_leaderboard(store, required_checks=()).rows
    files = read_run_files(store.run(row["run_id"]), home=store.home)
    return list(lineage(store, files, EvaluationReader(store).read(row)))


def test_the_chain_leads_from_the_dataset_to_the_row(store: Store, evaluated: Evaluated) -> None:
    slot = evaluated()

    chain = chain_of(store)

    labels = [link.label for link in chain]
    assert [*labels[:6], *labels[-2:]] == [
        "dataset",
        "export",
        "tokens",
        "model",
        "questions",
        "predictions",
        "report",
        "row",
    ]
    assert labels[6:-2] == ["template"]
    by_label = {link.label: link for link in chain}
    assert by_label["dataset"].digest == store.slot("dataset", "golden-v2").resolve().digest
    assert by_label["model"].digest == store.run(slot.key).slot("model").resolve().digest
    assert by_label["report"].digest == slot.resolve().digest
    assert all(link.made_at and link.is_current for link in chain[:6])


def test_a_content_that_is_no_longer_current_is_marked(
    store: Store, evaluated: Evaluated, tampered: Callable[..., Any]
) -> None:
    evaluated()
    tampered(store.slot("dataset", "golden-v2"), lambda folder: (folder / "README.md").write_text("new"))

    dataset = chain_of(store)[0]

    assert (dataset.is_current, bool(dataset.made_at)) == (False, True)


def test_a_content_that_is_gone_is_known_by_its_digest_alone(
    store: Store, evaluated: Evaluated, tmp_path: Path
) -> None:
    evaluated()
    store.slot("sft_export", "golden-v2").path.rename(tmp_path / "gone")

    export = chain_of(store)[1]

    assert (export.label, export.is_current, export.made_at, len(export.digest)) == ("export", False, "", 64)


def test_of_a_run_that_cannot_be_read_the_row_remains(store: Store, make_row: Callable[..., Any]) -> None:
    chain = lineage(store, RunFiles(run_id="golden-v2.tiny.0123456789"), Evaluation(row=make_row()))

    assert [link.label for link in chain] == ["report", "row"]
