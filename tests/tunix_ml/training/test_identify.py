from pathlib import Path

import pytest

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.training import TrainConfig
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot
from tunix_ml.training.identify import ENGINE_PARTS, identify


def test_an_identity_names_the_tokens_and_all_that_they_were_made_from(tokenized: Snapshot) -> None:
    identity = identify(tokenized, TrainConfig(recipe="mine"))

    assert identity.tokens_digest == tokenized.digest
    assert identity.export_digest == tokenized.record.parents["sft_export"]
    assert identity.template == "reasoning_tags"
    assert identity.base_model_digest is None
    assert identity.code_version == source_digest(*ENGINE_PARTS)
    assert identity.run_id().startswith("golden-v2.mine.")


def test_a_base_model_that_is_not_there_is_refused(tokenized: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(TunixError):
        identify(tokenized, TrainConfig(base_model=str(tmp_path / "nowhere")))
