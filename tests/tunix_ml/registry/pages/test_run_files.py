from collections.abc import Callable

import pytest

from tunix_ml.registry.pages.run_files import read_run_files
from tunix_ml.store import RunDirectory, Store

Finished = Callable[..., RunDirectory]


def test_a_finished_run_is_read_whole(store: Store, finished_run: Finished) -> None:
    run = finished_run()
    (run.path / "provenance.json").write_text('{"commit": null}')

    files = read_run_files(run, home=store.home)

    assert files.identity is not None
    assert files.checkpoint is not None
    assert files.identity.run_id() == files.checkpoint.run_id == files.run_id
    assert [row.step for row in files.metrics] == [1, 10, 20]
    assert files.provenance == {"commit": None}
    assert (files.system, files.problems) == (None, ())


def test_what_is_missing_is_no_problem(store: Store) -> None:
    files = read_run_files(store.run("nothing"), home=store.home)

    assert (files.identity, files.checkpoint, files.provenance, files.metrics) == (None, None, None, ())
    assert files.problems == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{}"),
        ("checkpoint.json", "not JSON"),
        ("provenance.json", "[1]"),
        ("provenance.json", "[" * 100_000),
        ("metrics.jsonl", "{}\n"),
        ("system.json", '{"system": 5}'),
    ],
)
def test_what_is_damaged_is_named_and_does_not_stop_the_rest(
    store: Store, finished_run: Finished, name: str, content: str
) -> None:
    run = finished_run()
    (run.path / name).write_text(content)

    files = read_run_files(run, home=store.home)

    (problem,) = files.problems
    assert problem.startswith(f"{name} cannot be read: ")
    assert str(store.home) not in problem
