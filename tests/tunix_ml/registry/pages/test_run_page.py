from collections.abc import Callable
from typing import Any

from tunix_ml.contracts.system import AnswerRule, SystemIdentity
from tunix_ml.registry.pages.run_files import RunFiles, read_run_files
from tunix_ml.registry.pages.run_page import ComparisonLink, Fact, RunView, run_view
from tunix_ml.store import RunDirectory, Store

Make = Callable[..., Any]
SYSTEM = SystemIdentity(
    recipe="gsm8k-2021",
    system="other_lab",
    description="A system of a paper.",
    license="MIT",
    evaluation_set="gsm8k-test-v1",
    source_sha256="0" * 64,
    recipe_digest="0" * 64,
    answer=AnswerRule(kind="hashes"),
    judge=None,
)


def view_of(files: RunFiles, row: dict[str, Any]) -> RunView:
    link = ComparisonLink("compare/0.html", "other on golden-v2", "golden-v2.other.1", "golden-v2.test")
    return run_view(files, [row], [], comparisons=[link])


def test_a_trained_run_has_settings_with_their_meaning_curves_and_provenance(
    store: Store, finished_run: Callable[..., RunDirectory], make_row: Make
) -> None:
    run = finished_run()
    (run.path / "provenance.json").write_text('{"packages": {"jax": "0.10.2"}, "commit": null}')

    view = view_of(read_run_files(run, home=store.home), make_row())

    assert view.sentence.startswith("Trained 20 of 20 steps on golden-v2 in 12 s")
    assert Fact("batch_size", "8", "rows of tokens in a step") in view.settings
    assert "max_steps" not in {fact.name for fact in view.settings}
    assert Fact("parameters", "123,456") in view.facts
    assert view.provenance == (Fact("packages.jax", "0.10.2"),)
    assert [chart.title for chart in view.charts] == ["Loss", "Learning rate", "Throughput", "Gradient norm"]
    assert (view.num_metrics, view.is_external) == (3, False)


def test_a_system_from_elsewhere_has_a_shorter_page(make_row: Make, rendered: Make) -> None:
    files = RunFiles(run_id=SYSTEM.run_id(), system=SYSTEM)

    view = view_of(files, make_row("other_lab", dataset_version=None, device_seconds=None))
    page = rendered("run", view)

    assert view.is_external
    assert view.sentence.startswith("Not trained here")
    assert Fact("answer.kind", "hashes") in view.settings
    assert "made elsewhere" in page
    assert "Curves" not in page
    assert "Meaning" not in page


def test_a_run_without_metrics_says_so(make_row: Make, rendered: Make) -> None:
    page = rendered("run", view_of(RunFiles(run_id="x"), make_row()))

    assert "<code>metrics.jsonl</code>, so there is nothing to draw" in page


def test_a_page_leads_to_its_documents_and_comparisons(make_row: Make, rendered: Make) -> None:
    page = rendered("run", view_of(RunFiles(run_id="x"), make_row()))

    for name in ("run", "metrics", "items"):
        assert f'href="../api/runs/x/{name}.json"' in page
    assert 'href="../compare/0.html"' in page
    assert 'href="../index.html"' in page


def test_what_could_not_be_read_is_said(make_row: Make, rendered: Make) -> None:
    page = rendered(
        "run", view_of(RunFiles(run_id="x", problems=("config.json cannot be read: <b>",)), make_row())
    )

    assert "config.json cannot be read: &lt;b&gt;" in page


def test_values_of_any_length_are_cut(make_row: Make) -> None:
    files = RunFiles(run_id="x", provenance={"k" * 900: "v" * 9_000, "many": {str(n): n for n in range(999)}})

    view = view_of(files, make_row())

    assert len(view.provenance) == 200
    assert (len(view.provenance[0].name), len(view.provenance[0].value)) == (100, 400)
