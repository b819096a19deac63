"""A finding: what was looked at, and whether it is well."""

from typing import Literal, NamedTuple

Health = Literal["well", "mended", "wrong", "unknown"]


class Finding(NamedTuple):
    """What was found about one subject.

    Attributes:
        subject: what was looked at.
        health: `unknown` where there was nothing to look at; only `wrong` is a problem.
        sentence: what was found, and what to do.
    """

    subject: str
    health: Health
    sentence: str


def well_or_wrong(subject: str, problems: list[str], *, well: str) -> Finding:
    """Return one finding of all problems, or that there is none."""
    if not problems:
        return Finding(subject, "well", well)
    return Finding(subject, "wrong", "; ".join(problems))


def mendable(subject: str, found: list[str], *, well: str, done: str | None) -> Finding:
    """Return a finding of problems that `--fix` takes away; `done` says what was done, None: nothing."""
    if found and done is not None:
        return Finding(subject, "mended", f"{'; '.join(found)}: {done}")
    return well_or_wrong(
        subject, [*found[:-1], f"{found[-1]}: run it with --fix"] if found else [], well=well
    )
