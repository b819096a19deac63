"""From a configuration to a judge: which backend answers, and by what its verdicts are identified."""

from pathlib import Path

from tunix_ml.contracts.canonical import record_digest
from tunix_ml.contracts.export import TemplateName
from tunix_ml.contracts.judge import JudgeConfig, JudgeIdentity
from tunix_ml.contracts.training import RunIdentity
from tunix_ml.evaluation.judges.checkpoint import CheckpointJudge, RunWorker
from tunix_ml.evaluation.judges.endpoint import HttpJudge
from tunix_ml.evaluation.judges.judge import Judge, JudgeUnavailable
from tunix_ml.evaluation.judges.prompts import judge_prompt
from tunix_ml.evaluation.judges.verdicts import PARSER_VERSION
from tunix_ml.exports.chat import read_chat_template
from tunix_ml.snapshot import CorruptArtifact, NotPublished
from tunix_ml.store import Store


def open_judge(config: JudgeConfig, *, store: Store, run_worker: RunWorker) -> Judge:
    """Return the judge of a configuration; nothing is asked yet.

    Args:
        config: which model, and how it is asked.
        store: where a run's model is found.
        run_worker: starts a worker module with a job and returns when it has done it.

    Raises:
        JudgeUnavailable: the configuration names no judge, or lacks what its backend needs.
        ContractError: there is no such model, or the environment variable holds no key.
        NotPublished: the run that should judge has no exported model.
    """
    if not config.judge:
        raise JudgeUnavailable("no judge is configured: set `judge`, its name, `backend` and `model`")
    if config.backend == "http":
        return HttpJudge(config, _identify_endpoint(config))
    folder, answer_template = _find_model(config, store)
    identity = _identify(config, _model_digest(folder), answer_template)
    return CheckpointJudge(config, identity, folder=folder, home=store.home, run_worker=run_worker)


def _identify_endpoint(config: JudgeConfig) -> JudgeIdentity:
    for name in ("url", "model"):
        if not getattr(config, name):
            raise JudgeUnavailable(f"judge {config.judge!r} has backend `http` and no `{name}`")
    return _identify(config, config.model, None)


def _identify(config: JudgeConfig, model: str, answer_template: TemplateName | None) -> JudgeIdentity:
    return JudgeIdentity(
        backend=config.backend,
        model=model,
        prompt=config.prompt,
        prompt_digest=judge_prompt(config.prompt).digest(),
        answer_template=answer_template,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        precision=config.precision if config.backend == "checkpoint" else None,
        parser_version=PARSER_VERSION,
    )


def _find_model(config: JudgeConfig, store: Store) -> tuple[Path, TemplateName | None]:
    """Return the folder of the model that judges, and the template it answers in if a run here made it."""
    from tunix_ml.modeling.base_model import fetch_base_model  # noqa: PLC0415 - not at the load of the definitions

    if not config.run_id:
        if not config.model:
            raise JudgeUnavailable(
                f"judge {config.judge!r} has backend `checkpoint` and neither `model` nor `run_id`"
            )
        return fetch_base_model(config.model).folder, None
    run = store.run(config.run_id)
    path = run.path / "config.json"
    if not path.exists():
        raise NotPublished(f"run {config.run_id!r}, which should judge, does not exist")
    model = run.slot("model").resolve()
    if problems := model.verify():
        raise CorruptArtifact("; ".join(problems))
    return model.path, RunIdentity.read(path).template


def _model_digest(folder: Path) -> str:
    """Return the digest of a model's content, its chat template included, which decides what it reads."""
    from tunix_ml.modeling.base_model import content_digest  # noqa: PLC0415 - not at the load of the definitions

    return record_digest([content_digest(folder), read_chat_template(folder)])
