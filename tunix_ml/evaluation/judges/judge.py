"""What a judge is, and how cases are put to one."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from tunix_ml.contracts.base import TunixError
from tunix_ml.contracts.canonical import sha256_hex
from tunix_ml.contracts.judge import JudgeIdentity, JudgeReply, JudgeVerdict, VerdictStatus
from tunix_ml.evaluation.judges.prompts import Case, judge_prompt
from tunix_ml.evaluation.judges.verdicts import parse_verdict


class JudgeUnavailable(TunixError):
    """There is no judge, or it has answered nothing."""


class Judge(Protocol):
    """Something that answers prompts."""

    @property
    def identity(self) -> JudgeIdentity:
        """Everything that decides its verdicts."""
        ...

    def judge(self, prompts: Sequence[str]) -> list[JudgeReply]:
        """Return a reply to each prompt, in their order; what goes wrong with one is said in its reply."""
        ...


class Judgement(NamedTuple):
    """What became of one case."""

    status: VerdictStatus
    verdict: str | None
    score: float | None
    reply: JudgeReply
    prompt_digest: str
    detail: str | None

    def record(self, item_id: str, sample_index: int, *, text: str) -> JudgeVerdict:
        """Return this judgement as the record of one sample of one item."""
        return JudgeVerdict(
            item_id=item_id,
            sample_index=sample_index,
            status=self.status,
            verdict=self.verdict,
            score=self.score,
            reply=self.reply.text,
            detail=self.detail,
            prompt_digest=self.prompt_digest,
            text_digest=sha256_hex(text.encode()),
        )


def judge_cases(judge: Judge, cases: Sequence[Case]) -> list[Judgement]:
    """Put cases to a judge in one batch and read its replies, in the order of the cases.

    Cases that read alike are put once: equal texts about one item get one verdict.

    Raises:
        JudgeUnavailable: no case at all was answered.
    """
    prompts = [judge_prompt(case.prompt).render(case) for case in cases]
    asked = list(dict.fromkeys(prompts))
    replies = dict(zip(asked, judge.judge(asked), strict=True))
    if asked and all(reply.status in {"timeout", "error"} for reply in replies.values()):
        raise JudgeUnavailable(
            f"judge {judge.identity.model!r} answered none of {len(asked)} prompts, the first:"
            f" {replies[asked[0]].detail}"
        )
    return [
        _judgement(case, prompt, replies[prompt], judge.identity)
        for case, prompt in zip(cases, prompts, strict=True)
    ]


def served_models(judgements: Iterable[Judgement]) -> list[str]:
    """Return the names under which an endpoint said it answered."""
    return sorted({one.reply.model for one in judgements if one.reply.model is not None})


def _judgement(case: Case, prompt: str, reply: JudgeReply, identity: JudgeIdentity) -> Judgement:
    digest, verdicts = sha256_hex(prompt.encode()), judge_prompt(case.prompt).verdicts
    if reply.status in {"timeout", "error"}:
        status: VerdictStatus = "timeout" if reply.status == "timeout" else "error"
        return Judgement(status, None, None, reply, digest, reply.detail)
    if reply.status == "cut" or reply.text is None:
        return Judgement("invalid", None, None, reply, digest, reply.detail or "the reply has no text")
    parsed = parse_verdict(reply.text, verdicts, answer_template=identity.answer_template)
    if parsed.verdict is None:
        return Judgement("invalid", None, None, reply, digest, parsed.problem)
    return Judgement("scored", parsed.verdict, verdicts[parsed.verdict], reply, digest, None)
