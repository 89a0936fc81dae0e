"""A goal is tried in copies of the workspace, and done in the workspace only where most of the tries agree.

Invariants: until the tries agree, nothing outside of the copies changes; what is done then is what a try did, judged and
recorded like any run; tries that don't agree end the run as failed, with what differs.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.adapters.backends.sampled import OTHER_TURN, Heard, RecordedBackend, SampledBackend
from nebulus.adapters.workspaces.copies import copied, digests_of
from nebulus.adapters.workspaces.folder import FolderWorkspace
from nebulus.core.context import Context
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Call
from nebulus.core.outcome import Done, Outcome, Question
from nebulus.core.plan import EndsAs
from nebulus.core.text import bounded
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Refuse, Verdict
from nebulus.ports.guard import Person, PersonReply, Policy
from nebulus.runtime.world import World
from nebulus.voting.ends import GONE, End, changes, elected, most_alike

VOTES = "votes"
"""In a run's place: the address of what the tries decided."""
_ID_CHARS = 56
"""How much of a run's id is in the ids of its tries: an id has at most 64 characters."""
_SHOWN_CHARS = 800
_REASON_CHARS = 250


def id_of_try(run_id: str, sample: int) -> str:
    """Return the id of a try of the run `run_id`; `sample` counts from 0."""
    return f"{run_id[:_ID_CHARS]}.try{sample + 1}"


def number_of_try(run_id: str) -> int:
    """Return which try a run is, from its id, counted from 1; 0 for a run that is none."""
    found = re.fullmatch(r".+\.try(\d)", run_id)
    return int(found[1]) if found else 0


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What tries decided: the answers of one that agrees with most, or why there is none."""

    agreed: int
    tries: int
    files: dict[str, str] = field(default_factory=dict)
    heard: tuple[Heard, ...] = ()
    failure: Failure | None = None

    def encoded(self) -> str:
        """Return this as text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decoded(cls, text: str) -> "Decision":
        """Return the decision in a text that `encoded` returned."""
        return msgspec.json.decode(text, type=cls)

    def check(self) -> EndsAs:
        """Return the check that the run ends as the tries did."""
        return EndsAs(agreed=self.agreed, tries=self.tries, files=self.files)

    def apply(self, world: World) -> World:
        """Return `world` with models that repeat the answers of the tries, or say why they didn't agree."""
        otherwise = self.failure or OTHER_TURN
        backends = {
            tier: RecordedBackend(inner, tier=tier, heard=self.heard, root=_root(world), otherwise=otherwise)
            for tier, inner in world.backends.items()
        }
        return replace(world, backends=backends)


def _root(world: World) -> str:
    return str(world.workspace.root) if world.workspace is not None else ""


class Trial:
    """One try: what it hears from its models, and whether it wanted something that can't be done in a copy."""

    def __init__(self, sample: int) -> None:
        """Take the number of the try, from 0."""
        self.sample = sample
        self.heard: list[Heard] = []
        self.outside = ""
        """A tool that was wanted and changes something outside of the copy."""

    def apply(self, world: World, confined: frozenset[str]) -> World:
        """Return `world` for this try: other samples, and only `confined` tools change anything, unasked."""
        backends = {
            tier: SampledBackend(inner, tier=tier, sample=self.sample, heard=self.heard, root=_root(world))
            for tier, inner in world.backends.items()
        }
        changing = confined - {name for name, tool in world.tools.items() if tool.spec.effect is Effect.READ}
        return replace(
            world,
            backends=backends,
            policy=_InCopy(world.policy, self, confined),
            person=_Consenting(world.person, changing),
        )


class _InCopy:
    """A policy that also refuses what would change something outside of a copy."""

    def __init__(self, inner: Policy, trial: Trial, confined: frozenset[str]) -> None:
        self._inner, self._trial, self._confined = inner, trial, confined

    @property
    def digest(self) -> str:
        """As the inner one."""
        return self._inner.digest

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        """Decide a call in a copy."""
        if spec.effect is not Effect.READ and spec.name not in self._confined:
            self._trial.outside = spec.name
            return Refuse("votes.outside", f"{spec.name} changes something outside of the copy")
        return self._inner.judge(call, spec, context)


class _Consenting:
    """Says yes to changes in a copy, for which the person is asked when they are made in the workspace.

    Anything else is the person's to decide now: what a tool reads is shown to the model in a try as well.
    """

    def __init__(self, person: Person, changing: frozenset[str]) -> None:
        self._person, self._changing = person, changing

    async def ask(self, question: Question) -> PersonReply | None:
        """Say yes to the approval of a change, and pass on everything else."""
        if question.kind == "approval" and question.tool in self._changing:
            return PersonReply(is_yes=True, by="a try in a copy")
        return await self._person.ask(question)


Run: TypeAlias = Callable[[Trial, Path | None], Awaitable[Outcome]]
"""Carries out a try in a copy of the workspace, to its end."""


async def vote(run: Run, workspace: FolderWorkspace | None, *, most: int) -> Decision:
    """Try a goal until more than half of `most` tries agree, or can't any more, and return what they decided.

    Raises:
        ConfigError: the workspace can't be copied, was changed meanwhile, or a try needs something outside of it.
    """
    needed = most // 2 + 1
    before = await _digests(workspace)
    ends: list[End] = []
    trials: list[Trial] = []
    while len(ends) < most and most_alike(ends) < needed <= most_alike(ends) + most - len(ends):
        trial = Trial(len(trials))
        trials.append(trial)
        ends.append(await _tried(run, trial, workspace, before=before))
        if trial.outside:
            raise ConfigError(
                f"a try called {trial.outside}, which changes something outside of the workspace",
                fix="that can't be tried in a copy: leave votes at 1",
            )
    if await _digests(workspace) != before:
        raise ConfigError("the workspace was changed while the goal was tried in copies", fix="begin again")
    same = elected(ends)
    if len(same) < needed:
        return Decision(agreed=len(same), tries=len(ends), failure=_disagreement(ends, needed=needed))
    winner = same[0]
    return Decision(
        agreed=len(same), tries=len(ends), files=ends[winner].files, heard=tuple(trials[winner].heard)
    )


async def _tried(
    run: Run, trial: Trial, workspace: FolderWorkspace | None, *, before: Mapping[str, str]
) -> End:
    if workspace is None:
        return _end_of(await run(trial, None), {})
    with copied(workspace) as root:
        outcome = await run(trial, root)
        after = await _digests(FolderWorkspace(root))
    return _end_of(outcome, changes(before, after))


def _end_of(outcome: Outcome, files: dict[str, str]) -> End:
    if isinstance(outcome, Done):
        return End(files=files, answer=outcome.answer)
    return End(files=files, is_done=False, failure=str(outcome))


async def _digests(workspace: FolderWorkspace | None) -> dict[str, str]:
    return await asyncio.to_thread(digests_of, workspace) if workspace is not None else {}


def _disagreement(ends: Sequence[End], *, needed: int) -> Failure:
    """Return the failure of tries of which too few agree: nothing was changed."""
    is_any_done = any(end.is_done for end in ends)
    why = f"fewer than {needed} tries agree" if is_any_done else "no try reached the goal"
    told = "; ".join(f"try {number} {_told(end)}" for number, end in enumerate(ends, start=1))
    return Failure(
        kind=FailureKind.DISAGREEMENT,
        fault=Fault.MODEL,
        what=f"{why}, and nothing was changed",
        value=bounded(told, _SHOWN_CHARS),
        fix="look at the tries (their ids end in .try1, .try2 and so on); state the goal more exactly, or use a "
        "larger model",
    )


def _told(end: End) -> str:
    """Say how a try ended, in a few words."""
    if not end.is_done:
        return f"was not done ({bounded(end.failure, _REASON_CHARS)})"
    changed = [f"{path} is gone" if digest == GONE else path for path, digest in end.files.items()]
    said = f", answered {bounded(str(end.answer), 40)!r}" if end.answer is not None else ""
    listed = f"changed {', '.join(changed[:4])}{' and more' if len(changed) > 4 else ''}"
    return f"{listed if changed else 'changed no file'}{said}"
