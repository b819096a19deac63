import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from tunix_ml.contracts.export import ExportConfig
from tunix_ml.contracts.recipe import DatasetRecipe
from tunix_ml.contracts.tokens import TokenizeConfig, TokensManifest
from tunix_ml.contracts.training import RunIdentity, TrainConfig
from tunix_ml.datasets.build import build_dataset
from tunix_ml.datasets.catalog import CatalogEntry
from tunix_ml.exports.render import render_dataset
from tunix_ml.exports.tokenize import tokenize_export
from tunix_ml.slot import Slot
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import Store

SUMS = "sums-v1"


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let JAX compile each program once for all tests of a session: most of their time would go there."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("xla")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture
def slot(store: Store) -> Slot:
    """A slot in which nothing is published yet."""
    return store.slot("dataset", "golden-v2")


@pytest.fixture
def publish() -> Callable[..., Snapshot]:
    """A function that publishes two files with a text in a slot, and may do something to them before."""

    def publish_text(
        slot: Slot, text: str, *, meanwhile: Callable[[Path], object] = lambda draft: None, **kwargs: Any
    ) -> Snapshot:
        with slot.publish(**kwargs) as draft:
            (draft.path / "one.txt").write_text(text)
            (draft.path / "deep" / "er").mkdir(parents=True)
            (draft.path / "deep" / "er" / "two.txt").write_text(text * 2)
            meanwhile(draft.path)
        return draft.snapshot

    return publish_text


@pytest.fixture(scope="session")
def sums_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with forty generated traces, from dataset to tokens."""
    home = tmp_path_factory.mktemp("sums")
    store = Store(home)
    recipe = DatasetRecipe.model_validate(
        {
            "description": "forty sums",
            "license": "Apache-2.0",
            "source": {"kind": "generator", "generator": "arithmetic", "seed": 3, "num_traces": 40},
            "splits": {"train": 0.6, "validation": 0.2, "test": 0.2},
        }
    )
    build_dataset(store, CatalogEntry(SUMS, recipe, home / f"{SUMS}.yaml"), report=lambda line: None)
    render_dataset(store, SUMS, ExportConfig())
    tokenize_export(store, SUMS, TokenizeConfig(vocab_size=400, seq_len=256))
    return home


@pytest.fixture
def sums(sums_home: Path, tmp_path: Path) -> Store:
    """A store of the test's own with the forty traces."""
    shutil.copytree(sums_home, tmp_path / "home")
    return Store(tmp_path / "home")


@pytest.fixture
def identify() -> Callable[..., RunIdentity]:
    """A function that returns the identity of a tiny run on the store's tokens."""

    def identity_of(store: Store, **train: Any) -> RunIdentity:
        tokens = store.slot("tokenized_examples", SUMS).resolve()
        manifest = TokensManifest.read(tokens.file("tokens.json"))
        small = {"hidden_size": 16, "num_heads": 2, "intermediate_size": 24, "num_layers": 1, "batch_size": 2}
        return RunIdentity(
            dataset_version=SUMS,
            dataset_digest=manifest.dataset_digest,
            export_digest=manifest.export_digest,
            tokens_digest=tokens.digest,
            template=manifest.template,
            train=TrainConfig(**{"num_train_steps": 6, "warmup_steps": 2, **small, **train}),
            code_version="of the test",
        )

    return identity_of
