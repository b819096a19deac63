"""Ask a run's exported model some of its questions again and compare the texts, character for character.

python -m tunix_ml.inference.reproduce JOB.json
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
from pydantic import Field

from tunix_ml.contracts.artifact import Digest
from tunix_ml.contracts.base import Artifact
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.prediction import PredictConfig, Prediction, PredictionsMeta
from tunix_ml.contracts.reproduction import DifferingText, PredictionReproduction
from tunix_ml.contracts.training import Device
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import load_tokenizer
from tunix_ml.inference.decode import Request, decode
from tunix_ml.inference.predict import code_version, end_token_ids, item_number
from tunix_ml.inference.programs import prepare
from tunix_ml.inference.stops import cut_after_stop
from tunix_ml.json_lines import read_json_lines
from tunix_ml.modeling.huggingface import load_model
from tunix_ml.snapshot import CorruptArtifact, Snapshot
from tunix_ml.store import RunDirectory, Store
from tunix_ml.training.devices import configure_process, describe_device, find_device
from tunix_ml.worker import Report, run_worker

# As many rows as predictions have by default: in a batch of the same shape a device adds in the same order.
_BATCH_SIZE: int = PredictConfig.model_fields["decode_batch_size"].default


class PredictionReproduceJob(Artifact):
    """What the process is asked to do."""

    home: Path
    run_id: str
    evaluation_set: str
    predictions_digest: Digest
    num_items: int = Field(8, ge=1)
    device: Device = "auto"


class Asked(NamedTuple):
    """An item with the texts that were published for it, by sample."""

    item_id: str
    prompt: str
    texts: list[str]


def reproduce_predictions(job: PredictionReproduceJob, *, report: Report) -> Snapshot:
    """Ask the model of some predictions again, as it was asked, and publish in its run how the texts compare.

    Which items are asked follows from the predictions' digest, so that nobody chooses them.

    Raises:
        NotPublished: there are no such predictions, or the model is gone.
        CorruptArtifact: predictions or model differ from what was published.
        DeviceNotFound: the device asked for is not on this machine.
    """
    run = Store(job.home).run(job.run_id)
    published = run.slot(f"predictions/{job.evaluation_set}").resolve(job.predictions_digest)
    meta = PredictionsMeta.read(published.file("predictions_meta.json"))
    model = run.slot("model").resolve(meta.model_digest)
    if problems := model.verify():
        raise CorruptArtifact("; ".join(problems))
    asked = chosen_items(_read(published), num_items=job.num_items, digest=published.digest)
    device = find_device(job.device)
    report(
        f"asking {job.run_id} {len(asked)} items of {meta.evaluation_set} again on {describe_device(device)}"
    )
    with jax.default_device(device):
        found = write_again(model.path, meta, asked, report)
    result = PredictionReproduction(
        run_id=job.run_id,
        evaluation_set=meta.evaluation_set,
        model_digest=model.digest,
        predictions_digest=published.digest,
        item_ids=[item.item_id for item in asked],
        num_texts=sum(map(len, found)),
        differing=list(_differing(asked, found)),
        device=describe_device(device),
    )
    report(f"{result.num_texts - len(result.differing)} of {result.num_texts} texts are the same")
    return _publish(run, result)


def chosen_items(rows: Sequence[Prediction], *, num_items: int, digest: Digest) -> list[Asked]:
    """Return so many of the items, or all there are, chosen and ordered by a digest."""
    items: dict[str, Asked] = {}
    for row in rows:
        items.setdefault(row.item_id, Asked(row.item_id, row.prompt, [])).texts.append(row.text)
    order = sorted(items, key=lambda item_id: sha256_hex(f"{digest} {item_id}".encode()))
    return [items[item_id] for item_id in order[:num_items]]


def _read(predictions: Snapshot) -> list[Prediction]:
    subject = f"predictions.jsonl of {predictions.record.key!r}"
    return read_json_lines(predictions.file("predictions.jsonl"), Prediction, subject=subject)


def write_again(
    folder: Path, meta: PredictionsMeta, asked: Sequence[Asked], report: Report
) -> list[list[str]]:
    """Return what the model writes for each item, by sample."""
    tokenizer, loaded = load_tokenizer(folder), load_model(folder)
    network = replace(loaded.network, precision=meta.decoding.precision)
    written = decode(
        network,
        prepare(loaded.params, network=network),
        [Request(encode_prompt(tokenizer, item.prompt), item_number(item.item_id)) for item in asked],
        config=meta.decoding,
        end_token_ids=end_token_ids(folder, tokenizer),
        batch_size=_BATCH_SIZE,
        decode_text=tokenizer.decode,
        report=report,
    )
    stop = meta.decoding.stop
    return [[cut_after_stop(tokenizer.decode(text.ids), stop) for text in samples] for samples in written]


def _differing(asked: Sequence[Asked], found: Sequence[Sequence[str]]) -> Iterator[DifferingText]:
    for item, texts in zip(asked, found, strict=True):
        for index, (published, text) in enumerate(zip(item.texts, texts, strict=True)):
            if text != published:
                yield DifferingText(item_id=item.item_id, sample_index=index, published=published, found=text)


def _publish(run: RunDirectory, result: PredictionReproduction) -> Snapshot:
    parents = {"model": result.model_digest, "predictions": result.predictions_digest}
    slot = run.slot(f"reproduction/{result.evaluation_set}")
    with slot.publish(parents=parents, code_version=code_version()) as draft:
        (draft.path / "reproduction.json").write_bytes(result.to_json())
    return draft.snapshot


def main(data: bytes, report: Report) -> None:
    """Ask again for a job."""
    job = PredictionReproduceJob.parse(data, subject="the job")
    configure_process(home=job.home, device=job.device)
    reproduce_predictions(job, report=report)


if __name__ == "__main__":
    run_worker(main)
