"""`python -m tunix_ml.inference.judge_worker JOB.json`: answer a judge's prompts in a process of its own."""

import msgspec

from tunix_ml.contracts.judge import JudgeJob
from tunix_ml.worker import Report, run_worker


def main(data: bytes, report: Report) -> None:
    """Answer the prompts of a job and write the replies, all or none."""
    job = JudgeJob.parse(data, subject="the job")
    from tunix_ml.durable import write_atomically  # noqa: PLC0415
    from tunix_ml.inference.judge import answer_prompts  # noqa: PLC0415 - JAX, after the parent is watched
    from tunix_ml.training.devices import configure_process  # noqa: PLC0415

    configure_process(home=job.home, device=job.config.judge_device)
    prompts = msgspec.json.Decoder(str).decode_lines(job.prompts.read_bytes())
    replies = answer_prompts(job, prompts, report=report)
    write_atomically(job.replies, msgspec.json.Encoder().encode_lines(replies))


if __name__ == "__main__":
    run_worker(main)
