"""What a leaderboard row says about the run itself: its model, what training it cost, and how far it came."""

from typing import NamedTuple

from tunix_ml.contracts.prediction import PredictionsMeta
from tunix_ml.contracts.training import CheckpointRecord, RunIdentity, TrainConfig
from tunix_ml.evaluation.report import predictions_slot
from tunix_ml.store import RunDirectory


class RunFacts(NamedTuple):
    """Facts of a run; all but the model are None where it was made elsewhere."""

    model: str
    validation_loss: float | None = None
    num_params: int | None = None
    num_tokens_seen: int | None = None
    device_seconds: float | None = None
    checkpoint_step: int | None = None


def run_facts(run: RunDirectory, evaluation_set: str) -> RunFacts:
    """Return the facts of a run that answered an evaluation set."""
    if not (run.path / "config.json").exists():
        return RunFacts(model=run.run_id.rpartition(".external.")[0])
    identity = RunIdentity.read(run.path / "config.json")
    record = CheckpointRecord.read(run.path / "checkpoint.json")
    meta = PredictionsMeta.read(predictions_slot(run, evaluation_set).resolve().file("predictions_meta.json"))
    return RunFacts(
        model=model_name(identity.train),
        validation_loss=record.validation_loss,
        num_params=record.num_params,
        num_tokens_seen=record.num_tokens_seen,
        device_seconds=record.train_time_s * record.num_devices + meta.decode_time_s,
        checkpoint_step=record.step,
    )


def model_name(config: TrainConfig) -> str:
    """Return the base model's name without the folders before it, or the shape of a fresh decoder."""
    if not config.base_model:
        return f"{config.num_layers} layers of {config.hidden_size}"
    name = config.base_model.rstrip("/").rpartition("/")[2]
    return f"{name} + LoRA {config.lora_rank}" if config.lora_rank else name
