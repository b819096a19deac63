"""The model of a run as a Hugging Face folder, with the tokenizer, and the adapters beside it."""

import dataclasses

from tunix_ml.contracts.tokens import TokensManifest
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.modeling.decoder import Network, Params
from tunix_ml.modeling.huggingface import save_model
from tunix_ml.modeling.lora import merge, save_adapter
from tunix_ml.snapshot import Snapshot
from tunix_ml.store import RunDirectory

ADAPTER_FOLDER = "adapter"
_TOKENIZER_FOLDER = "tokenizer/"


def publish_model(
    run: RunDirectory, *, tokens: Snapshot, identity: RunIdentity, network: Network, params: Params
) -> Snapshot:
    """Publish a model with its tokenizer in the run's slot `model`.

    Adapters are merged into it, and lie beside it in PEFT's layout in the folder `adapter`.

    Args:
        run: of the model.
        tokens: that it was trained on.
        identity: of the run.
        network: of the parameters.
        params: all of them, trained or not, whole in this process.
    """
    parents = {"tokenized_examples": tokens.digest}
    with run.slot("model").publish(parents=parents, code_version=identity.code_version) as draft:
        save_model(
            draft.path,
            config=network.config,
            params=merge(params, network.lora) if network.lora else params,
            special_token_ids=_special_token_ids(tokens),
        )
        for name in tokens.record.files:
            if name.startswith(_TOKENIZER_FOLDER):
                (draft.path / name.removeprefix(_TOKENIZER_FOLDER)).write_bytes(
                    tokens.file(name).read_bytes()
                )
        if network.lora:
            (draft.path / ADAPTER_FOLDER).mkdir()
            save_adapter(
                draft.path / ADAPTER_FOLDER,
                network=network,
                params=params,
                base_model=identity.train.base_model,
            )
    return draft.snapshot


def without_adapters(network: Network) -> Network:
    """Return the network of merged parameters."""
    return dataclasses.replace(network, lora=None)


def _special_token_ids(tokens: Snapshot) -> dict[str, int | None]:
    manifest = TokensManifest.read(tokens.file("tokens.json"))
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(manifest, name) for name in names}
