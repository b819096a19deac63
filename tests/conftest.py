"""Fixtures shared by all tests: a store, and golden-v2 in it, from the dataset to a finished run."""

import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asset_checks.eval_report import BLOCKING
from asset_checks.outcome import Subject
from tunix_ml.audits import record_audit
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.export import ExportConfig, TemplateName
from tunix_ml.contracts.names import evaluation_set_name
from tunix_ml.contracts.prediction import (
    PREDICTIONS_SCHEMA,
    DecodingConfig,
    Prediction,
    PredictionsMeta,
)
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.contracts.sweep import RungValue, SweepIdentity, SweepSpec, Trial
from tunix_ml.contracts.tokens import TokenizeConfig, TokensManifest
from tunix_ml.contracts.training import (
    CheckpointRecord,
    ExecutionConfig,
    MetricsRow,
    RunIdentity,
    TrainConfig,
)
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry, load_recipe
from tunix_ml.datasets.evaluation_set import EvaluationSet, load_evaluation_set
from tunix_ml.evaluation.report import evaluate, predictions_slot
from tunix_ml.exports.render import render_dataset
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import tokenize_export
from tunix_ml.registry.bundle import bundle_slot, publish_bundle
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.identify import identify
from tunix_ml.tuning.sweep import SweepJob, run_sweep
from tunix_ml.tuning.trials import TrialTable

GOLDEN = "golden-v2"
NUM_STEPS = 20
PROVENANCE = {
    "commit": "a" * 40,
    "dirty": False,
    "python": "3.11.7",
    "platform": "cpu",
    "packages": {"jax": "0.10.2", "torch": None},
    "device": "cpu",
    "devices": ["0: cpu"],
    "num_cpus": 2,
    "environment": {"XLA_FLAGS": ""},
    "execution": {"device": "auto", "time_budget_minutes": None},
    "session_started_at": "2026-11-23T01:00:00+00:00",
    "peak_host_bytes": 1_000_000,
}


def pytest_configure(config: pytest.Config) -> None:
    # A dependency of great_expectations 1.24 imports modules of `re` that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:module 'sre_:DeprecationWarning")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "home")


@pytest.fixture(scope="session")
def golden_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with golden-v2 of the catalog, exported and tokenized, that no test may write to."""
    home = tmp_path_factory.mktemp("golden")
    store = Store(home)
    build_dataset(store, load_recipe(GOLDEN, home), report=lambda line: None)
    render_dataset(store, GOLDEN, ExportConfig())
    tokenize_export(store, GOLDEN, TokenizeConfig())
    return home


@pytest.fixture
def golden(store: Store, golden_home: Path) -> Snapshot:
    """golden-v2, published in the test's own store."""
    return _copy_slot(store, golden_home, "dataset")


@pytest.fixture
def exported(store: Store, golden: Snapshot, golden_home: Path) -> Snapshot:
    """The export of golden-v2 in the template `reasoning_tags`."""
    return _copy_slot(store, golden_home, "sft_export")


@pytest.fixture
def tokenized(store: Store, exported: Snapshot, golden_home: Path) -> Snapshot:
    """The packed tokens of golden-v2."""
    return _copy_slot(store, golden_home, "tokenized_examples")


def _copy_slot(store: Store, home: Path, table: str) -> Snapshot:
    slot = store.slot(table, GOLDEN)
    shutil.copytree(Store(home).slot(table, GOLDEN).path, slot.path)
    return slot.resolve()


@pytest.fixture
def write_entry(tmp_path: Path) -> Callable[..., CatalogEntry]:
    """A function that writes records, or lines as they are, to a file, and returns a recipe that reads it."""

    def write(records: Iterable[Any], *, version: str = "mine-v1", **recipe: Any) -> CatalogEntry:
        lines = [r if isinstance(r, bytes) else msgspec.json.encode(r) for r in records]
        (tmp_path / f"{version}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        source = {"kind": "jsonl", "path": f"{version}.jsonl"} | recipe.pop("source", {})
        fields = {"description": "Questions.", "license": "Apache-2.0", "source": source, **recipe}
        return CatalogEntry(version, DatasetRecipe.model_validate(fields), tmp_path / f"{version}.yaml")

    return write


@pytest.fixture
def subject_of(store: Store) -> Callable[..., Subject]:
    """A function that returns what the checks of a slot look at: its current content, or the one given."""

    def subject(slot: Slot, snapshot: Snapshot | None = None) -> Subject:
        return Subject(store, GOLDEN, slot, snapshot or slot.resolve())

    return subject


@pytest.fixture
def tampered(store: Store, tmp_path: Path) -> Callable[..., Subject]:
    """A function that publishes a slot's current content again, with its files edited in between.

    The edit is given the folder of the files; what it leaves there is what a faulty producer would publish.
    With `keep_digest` it stands under the digest of the content it was made from.
    """

    def tamper(slot: Slot, edit: Callable[[Path], object], *, keep_digest: bool = False) -> Subject:
        before = slot.resolve()
        files = tmp_path / f"{before.digest}.files"
        shutil.copytree(before.path, files, dirs_exist_ok=True)
        (files / "artifact.json").unlink()
        if keep_digest:
            shutil.rmtree(slot.path)
        digest = before.digest if keep_digest else None
        with slot.publish(content_digest=digest, parents=before.record.parents) as draft:
            shutil.copytree(files, draft.path, dirs_exist_ok=True)
            edit(draft.path)
        return Subject(store, GOLDEN, slot, draft.snapshot)

    return tamper


@pytest.fixture
def edit_table() -> Callable[..., Callable[[Path], None]]:
    """A function that returns an edit of one Parquet file, for `tampered`: its rows are changed in place."""

    def make(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
        def edit(folder: Path) -> None:
            table = pq.read_table(folder / name)
            rows = table.to_pylist()
            change(rows)
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / name)

        return edit

    return make


@pytest.fixture
def edit_json() -> Callable[..., Callable[[Path], None]]:
    """A function that returns an edit of one JSON file, for `tampered`: some of its fields are replaced."""

    def make(name: str, **changes: Any) -> Callable[[Path], None]:
        def edit(folder: Path) -> None:
            fields = msgspec.json.decode((folder / name).read_bytes())
            (folder / name).write_bytes(msgspec.json.encode({**fields, **changes}))

        return edit

    return make


@pytest.fixture
def finished_run(store: Store, tokenized: Snapshot) -> Callable[..., RunDirectory]:
    """A function that fabricates a finished run with its predictions, without training.

    Of the items, in the order of their ids, the first `share_right` are answered with the true completion,
    the others with a wrong number.
    """

    def finish(
        *, recipe: str = "tiny", share_right: float = 0.75, template_name: TemplateName = "reasoning_tags"
    ) -> RunDirectory:
        identity = _identity(store, recipe, template_name)
        run = store.run(identity.run_id())
        run.path.mkdir(parents=True)
        (run.path / "config.json").write_bytes(identity.to_json())
        rows = [_metrics(step) for step in (1, NUM_STEPS // 2, NUM_STEPS)]
        (run.path / "metrics.jsonl").write_bytes(b"".join(row.to_json() for row in rows))
        record = _write_model(run, identity, rows)
        with store.slot("checkpoint", GOLDEN).publish(parents={"model": record.model_digest}) as draft:
            (draft.path / "checkpoint.json").write_bytes(record.to_json())
        _predict(store, run, identity, record.model_digest, share_right)
        return run

    return finish


@pytest.fixture
def evaluated(store: Store, finished_run: Callable[..., RunDirectory]) -> Callable[..., Slot]:
    """A function that fabricates a finished run, scores and audits it, and returns the slot of its report."""

    def evaluate_run(**options: Any) -> Slot:
        run = finished_run(**options)
        digest = evaluate(store, run.run_id, evaluation_set_name(GOLDEN, "test")).digest
        slot = run.slot(f"eval/{evaluation_set_name(GOLDEN, 'test')}")
        for check in BLOCKING:
            record_audit(slot, digest, check=check, passed=True, description="as the test has it")
        return slot

    return evaluate_run


@pytest.fixture
def bundled(store: Store, evaluated: Callable[..., Slot]) -> Callable[..., Slot]:
    """A function that fabricates a finished run, scores it, and returns the slot of its submission bundle."""

    def bundle_run(**options: Any) -> Slot:
        report = evaluated(**options)
        run = store.run(report.key)
        (run.path / "provenance.json").write_bytes(msgspec.json.encode(PROVENANCE))
        publish_bundle(store, run.run_id, {report.path.name: report.resolve().digest})
        return bundle_slot(store, GOLDEN)

    return bundle_run


def _identity(store: Store, recipe: str, template_name: TemplateName) -> RunIdentity:
    if template_name != "reasoning_tags":
        render_dataset(store, GOLDEN, ExportConfig(template=template_name))
        tokenize_export(store, GOLDEN, TokenizeConfig())
    tokens = store.slot("tokenized_examples", GOLDEN).resolve()
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    return RunIdentity(
        dataset_version=GOLDEN,
        dataset_digest=manifest.dataset_digest,
        export_digest=manifest.export_digest,
        tokens_digest=tokens.digest,
        template=template_name,
        train=TrainConfig(recipe=recipe, num_train_steps=NUM_STEPS),
        code_version="of the test",
    )


def _metrics(step: int) -> MetricsRow:
    return MetricsRow(
        step=step,
        loss=3.0 * math.exp(-step / NUM_STEPS),
        learning_rate=1e-3,
        grad_norm=0.5,
        tokens_per_second=1_000.0,
        step_time_s=0.1,
        validation_loss=1.5 if step == NUM_STEPS else None,
    )


def _write_model(run: RunDirectory, identity: RunIdentity, rows: list[MetricsRow]) -> CheckpointRecord:
    with run.slot("model").publish(parents={"tokenized_examples": identity.tokens_digest}) as draft:
        (draft.path / "model.safetensors").write_text(f"the weights of {run.run_id}")
    record = CheckpointRecord(
        run_id=run.run_id,
        dataset_version=identity.dataset_version,
        step=NUM_STEPS,
        num_train_steps=NUM_STEPS,
        stopped_by="steps",
        model_digest=draft.snapshot.digest,
        final_loss=rows[-1].loss,
        first_loss=rows[0].loss,
        validation_loss=1.5,
        num_params=123_456,
        num_tokens_seen=40_000,
        train_time_s=12.0,
        compile_time_s=1.0,
        device="cpu",
    )
    (run.path / "checkpoint.json").write_bytes(record.to_json())
    return record


def _predict(
    store: Store, run: RunDirectory, identity: RunIdentity, model_digest: str, share_right: float
) -> None:
    name = evaluation_set_name(GOLDEN, "test")
    items = load_evaluation_set(store, name, digest=identity.dataset_digest)
    predictions = _answer(items, identity, num_right=round(share_right * len(items.items)))
    meta = PredictionsMeta(
        run_id=run.run_id,
        evaluation_set=items.name,
        evaluation_set_digest=items.digest,
        source_digest=items.source_digest,
        dataset_digest=identity.dataset_digest,
        model_digest=model_digest,
        template=identity.template,
        template_digest=template(identity.template).digest(),
        decoding=DecodingConfig(),
        end_token_ids=[2],
        num_items=len(predictions),
        num_length_stops=0,
        decode_time_s=2.0,
        new_tokens_per_second=500.0,
        device="cpu",
    )
    with predictions_slot(run, items.name).publish(parents={"model": model_digest}) as draft:
        (draft.path / "predictions.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(predictions))
        (draft.path / "gold.jsonl").write_bytes(b"")
        table = PREDICTIONS_SCHEMA.table(msgspec.to_builtins(predictions))
        pq.write_table(table, draft.path / "predictions.parquet")
        (draft.path / "predictions_meta.json").write_bytes(meta.to_json())


def _answer(items: EvaluationSet, identity: RunIdentity, *, num_right: int) -> list[Prediction]:
    chosen = template(identity.template)
    return [
        Prediction(
            item_id=item.item_id,
            sample_index=0,
            prompt=chosen.prompt_text(item.prompt),
            prompt_digest=sha256_hex(chosen.prompt_text(item.prompt).encode()),
            text=chosen.completion_text(item.steps, item.final_answer if index < num_right else "-987654"),
            num_prompt_tokens=30,
            num_new_tokens=60,
            logprob=-12.5,
            finish_reason="eos",
        )
        for index, item in enumerate(items.items)
    ]


@pytest.fixture
def swept(store: Store, tokenized: Snapshot) -> Snapshot:
    """A sweep of five fabricated trials, two of them complete, published by the real driver.

    Validation losses after step 10 are 2.0, 1.8, 1.9 and 2.2, the fifth trial failed; after step 20 trial 1
    has 1.5 and trial 2, which is the best, 1.4; with seed 1 it has 1.5.
    """
    spec = SweepSpec(
        space={
            "learning_rate": {"loguniform": [0.001, 0.01]},
            "optimizer": {"choice": ["adamw", "lion"]},
        },
        num_trials=5,
        first_rung_steps=10,
        reduction_factor=2,
        seeds=[0, 1],
    )
    base = identify(tokenized, TrainConfig(recipe="swept", num_train_steps=NUM_STEPS))
    identity = SweepIdentity(base=base, spec=spec)
    losses: list[list[float]] = [[2.0], [1.8, 1.5], [1.9, 1.4], [2.2], []]
    trials = [_trial(store, base, tokenized, number, found) for number, found in enumerate(losses)]
    best = trials[2].model_copy(update={"number": 5, "kind": "rerun", "rungs": trials[2].rungs[1:]})
    again = _trial(store, base, tokenized, 2, [1.7, 1.5], seed=1)
    again = again.model_copy(update={"number": 6, "kind": "rerun", "rungs": again.rungs[1:]})
    table = TrialTable(store, identity)
    table.add([*trials, best, again])
    return run_sweep(
        SweepJob(home=store.home, identity=identity, execution=ExecutionConfig(device="cpu")),
        started_at=0.0,
        report=lambda line: None,
    )


def _trial(
    store: Store, base: RunIdentity, tokens: Snapshot, number: int, losses: list[float], *, seed: int = 0
) -> Trial:
    """Return a trial with a validation loss after step 10, and after step 20, and write its run."""
    values = {"learning_rate": 0.001 * (number + 1), "optimizer": ("adamw", "lion")[number % 2]}
    identity = identify(
        tokens, TrainConfig.model_validate({**base.train.model_dump(), **values, "seed": seed})
    )
    rungs = [RungValue(step=10 * index, value=loss) for index, loss in enumerate(losses, start=1)]
    status = ("failed", "pruned", "complete")[len(losses)]
    fields = {"number": number, "kind": "search", "status": status, "values": values, "seed": seed}
    ids = {"run_id": identity.run_id(), "fingerprint": identity.fingerprint()}
    if not rungs:
        return Trial.model_validate({**fields, **ids, "reason": "loss is nan at step 3"})
    run = store.run(identity.run_id())
    run.path.mkdir(parents=True)
    (run.path / "config.json").write_bytes(identity.to_json())
    rows = [_metrics(rung.step).model_copy(update={"validation_loss": rung.value}) for rung in rungs]
    (run.path / "metrics.jsonl").write_bytes(b"".join(row.to_json() for row in rows))
    record = _write_model(run, identity, rows)
    last = rungs[-1]
    is_complete = status == "complete"
    changes = {
        "step": last.step,
        "validation_loss": last.value,
        "stopped_by": "steps" if is_complete else "pause",
    }
    (run.path / "checkpoint.json").write_bytes(record.model_copy(update=changes).to_json())
    return Trial(
        **fields,
        **ids,
        step=last.step,
        rungs=tuple(rungs),
        metric=last.value if is_complete else None,
        model_digest=record.model_digest,
        train_time_s=record.train_time_s,
    )
