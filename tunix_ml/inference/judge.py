"""A model as a judge: its replies to prompts, as it writes them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax

from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.judge import JudgeConfig, JudgeJob, JudgeReply
from tunix_ml.contracts.prediction import DecodingConfig
from tunix_ml.exports.chat import read_chat
from tunix_ml.exports.templates import template
from tunix_ml.exports.tokenize import encode_prompt
from tunix_ml.exports.tokenizer import Tokenizer, load_tokenizer
from tunix_ml.inference.decode import Completion, Request, decode
from tunix_ml.inference.predict import end_token_ids
from tunix_ml.inference.programs import prepare
from tunix_ml.modeling.huggingface import load_config, load_model
from tunix_ml.training.devices import describe_device, find_device

Report = Callable[[str], None]


def answer_prompts(job: JudgeJob, prompts: Sequence[str], *, report: Report) -> list[JudgeReply]:
    """Return what a model writes after each prompt; one that is too long for it gets an error.

    A model that was taught to chat reads the prompt as a user's message, one of our own in the prompt of its
    template, and any other as it stands.

    Raises:
        ContractError: the model's folder is not one that can be read.
        DeviceNotFound: the device asked for is not on this machine.
        DecodingError: the model's scores are not numbers.
    """
    tokenizer = load_tokenizer(job.model)
    requests = _requests(job, prompts, tokenizer)
    most = load_config(job.model).max_position_embeddings - job.config.max_tokens
    fitting = [index for index, request in enumerate(requests) if len(request.ids) <= most]
    device = find_device(job.config.judge_device, index=job.config.judge_device_index)
    report(f"asking the judge in {job.model} {len(fitting)} prompts on {describe_device(device)}")
    with jax.default_device(device):
        texts = _write(job, [requests[index] for index in fitting], tokenizer, report)
    replies = {index: _reply(text, tokenizer) for index, text in zip(fitting, texts, strict=True)}
    return [replies.get(index) or _too_long(request, most) for index, request in enumerate(requests)]


def decoding(config: JudgeConfig) -> DecodingConfig:
    """Return how a judge's replies are written."""
    return DecodingConfig(
        max_new_tokens=config.max_tokens, temperature=config.temperature, precision=config.precision
    )


def _requests(job: JudgeJob, prompts: Sequence[str], tokenizer: Tokenizer) -> list[Request]:
    """Return the prompts as ids; the draws of each follow from what it says."""
    chat = read_chat(job.model) if job.answer_template is None else None
    return [
        Request(
            chat.encode(prompt, tokenizer) if chat else encode_prompt(tokenizer, _framed(job, prompt)),
            int(sha256_hex(prompt.encode())[:16], 16),
        )
        for prompt in prompts
    ]


def _framed(job: JudgeJob, prompt: str) -> str:
    return prompt if job.answer_template is None else template(job.answer_template).prompt_text(prompt)


def _write(
    job: JudgeJob, requests: Sequence[Request], tokenizer: Tokenizer, report: Report
) -> list[Completion]:
    loaded = load_model(job.model)
    network = replace(loaded.network, precision=job.config.precision)
    texts = decode(
        network,
        prepare(loaded.params, network=network),
        requests,
        config=decoding(job.config),
        end_token_ids=end_token_ids(job.model, tokenizer),
        batch_size=job.config.num_concurrent,
        decode_text=tokenizer.decode,
        report=report,
    )
    return [samples[0] for samples in texts]


def _reply(completion: Completion, tokenizer: Tokenizer) -> JudgeReply:
    text = tokenizer.decode(completion.ids)
    if completion.finish_reason == "length":
        return JudgeReply("cut", text, f"the reply was cut at {len(completion.ids)} tokens")
    return JudgeReply("complete", text)


def _too_long(request: Request, most: int) -> JudgeReply:
    return JudgeReply(
        "error", detail=f"the prompt has {len(request.ids)} tokens, with max_tokens at most {most} fit"
    )
