import json
from collections.abc import Callable
from typing import Any

import pytest

from tunix_ml.contracts.bundle import GitSource, PackageSource
from tunix_ml.registry.bundle_evidence import Evidence, NoEvidence, answered, gather_evidence
from tunix_ml.slot import Slot
from tunix_ml.store import RunDirectory, Store

TEST_SET = "golden-v2.test"


@pytest.fixture
def run(store: Store, bundled: Callable[..., Slot]) -> RunDirectory:
    """A finished run that has left everything."""
    bundled(share_right=0.5)
    (run_id,) = store.run_ids()
    return store.run(run_id)


def gather(run: RunDirectory, **changes: Any) -> Evidence:
    """Return the evidence of a run whose report reads otherwise."""
    sets = answered(run, {TEST_SET: run.slot(f"eval/{TEST_SET}").resolve().digest})
    found = sets[TEST_SET]
    report = found.report.model_copy(update=changes)
    return gather_evidence(run, {TEST_SET: found._replace(report=report)})


def note(run: RunDirectory, **facts: Any) -> None:
    """Let a run's provenance say something else."""
    path = run.path / "provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **facts}))


def test_the_evidence_says_what_ran_how_it_scored_and_where(run: RunDirectory) -> None:
    manifest, summary, environment = gather(run)

    assert (manifest.run_id, manifest.step, manifest.stopped_by) == (run.run_id, 20, "steps")
    assert manifest.train["seed"] == 0
    assert manifest.evaluation_sets[TEST_SET].num_items == 8
    assert (summary.evaluation_set, summary.score) == (TEST_SET, 0.5)
    assert summary.evaluation_sets[TEST_SET].n == 8
    assert environment.source == GitSource(commit="a" * 40, is_changed=False)
    assert environment.num_devices == 1


def test_a_setting_that_is_not_set_is_left_out(run: RunDirectory) -> None:
    manifest, _, environment = gather(run)

    assert "max_steps" not in manifest.train
    assert "top_k" not in manifest.evaluation_sets[TEST_SET].decoding
    assert environment.execution == {"device": "auto"}
    assert environment.packages == {"jax": "0.10.2"}


def test_code_outside_of_a_work_tree_is_named_by_its_version(run: RunDirectory) -> None:
    note(run, commit=None, dirty=None)

    assert isinstance(gather(run).environment.source, PackageSource)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"primary_score": None, "n_scored": 7}, "has no score: 1 of 8 items have none"),
        ({"self_test": None}, "without a self-test"),
    ],
)
def test_a_report_that_proves_nothing_is_refused(
    run: RunDirectory, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(NoEvidence, match=said):
        gather(run, **changes)


def test_a_score_without_an_interval_is_refused(run: RunDirectory) -> None:
    sets = answered(run, {TEST_SET: run.slot(f"eval/{TEST_SET}").resolve().digest})
    metrics = sets[TEST_SET].report.metrics
    without = metrics["answer_correctness"].model_copy(update={"ci95_low": None})

    with pytest.raises(NoEvidence, match="too few for an interval"):
        gather(run, metrics={**metrics, "answer_correctness": without})


def test_predictions_of_another_model_are_refused(run: RunDirectory) -> None:
    sets = answered(run, {TEST_SET: run.slot(f"eval/{TEST_SET}").resolve().digest})
    found = sets[TEST_SET]
    other = found._replace(meta=found.meta.model_copy(update={"model_digest": "b" * 64}))

    with pytest.raises(NoEvidence, match="are of model bbb"):
        gather_evidence(run, {TEST_SET: other})


def test_a_run_that_did_not_note_where_it_was_is_refused(run: RunDirectory) -> None:
    (run.path / "provenance.json").unlink()

    with pytest.raises(NoEvidence, match="nobody knows where"):
        gather(run)


def test_a_fact_that_is_missing_is_named(run: RunDirectory) -> None:
    note(run, num_cpus=None)

    with pytest.raises(NoEvidence, match="num_cpus"):
        gather(run)
