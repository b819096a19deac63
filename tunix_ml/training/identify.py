"""The identity of the run that a recipe makes on published tokens; nothing is trained here."""

from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import RunIdentity, TrainConfig
from tunix_ml.provenance import source_digest
from tunix_ml.snapshot import Snapshot

ENGINE_PARTS = ("contracts", "exports", "modeling", "training")


def identify(tokens: Snapshot, train: TrainConfig) -> RunIdentity:
    """Return the identity of the run of a recipe on some tokens, by the present code.

    Raises:
        ContractError: the base model that the recipe names is not there.
    """
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    return RunIdentity(
        dataset_version=manifest.dataset_version,
        dataset_digest=manifest.dataset_digest,
        export_digest=manifest.export_digest,
        tokens_digest=tokens.digest,
        template=manifest.template,
        base_model_digest=_base_model_digest(train.base_model),
        train=train,
        code_version=source_digest(*ENGINE_PARTS),
    )


def _base_model_digest(name: str) -> str | None:
    if not name:
        return None
    from tunix_ml.modeling.base_model import fetch_base_model  # noqa: PLC0415 - most runs have none

    return fetch_base_model(name).digest
