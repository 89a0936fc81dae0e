"""Everything that the machine can ask for: commands, each answered by one event.

Commands are small: a prompt is composed only when `AskModel` is performed. Decisions are made by pure code at
once; all other commands touch the world and may run at the same time.
"""

from typing import TypeAlias

from msgspec import Struct, field

from nebulus.core.authority import HandOver
from nebulus.core.context import Context
from nebulus.core.findings import Call
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Check
from nebulus.core.references import EarlierResult
from nebulus.core.tiers import StepKind


class ChooseRoute(Struct, frozen=True, tag=True, kw_only=True):
    """Choose the tier for the next question. Answered by `RouteChosen`."""

    step: int
    kind: StepKind
    call_id: str = ""


class ParseAnswer(Struct, frozen=True, tag=True, kw_only=True):
    """Parse the last answer. Answered by `AnswerParsed`."""

    step: int
    kind: StepKind
    call_id: str = ""


class JudgeCall(Struct, frozen=True, tag=True, kw_only=True):
    """Judge a call, given what is known about it. Answered by `CallJudged` or `CallDropped`."""

    call: Call
    context: Context


class ChooseRecovery(Struct, frozen=True, tag=True, kw_only=True):
    """Choose how to recover from a failure. Answered by `RecoveryChosen`."""

    step: int
    call_id: str = ""


class AskModel(Struct, frozen=True, tag=True, kw_only=True):
    """Ask the model of `tier`. Answered by `ModelAnswered` or `ModelFailed`.

    `attempt` counts from 0 within the step; `call_id` names the call whose result is read, "" for none.
    """

    step: int
    kind: StepKind
    tier: str
    attempt: int = 0
    call_id: str = ""


class RunTool(Struct, frozen=True, tag=True, kw_only=True):
    """Run an allowed call. Answered by `ToolReturned`, `ToolFailed`, `OutcomeUnknown` or `WorkerBlocked`.

    `reads` are the values that must be read from its text, each with its meaning: of a long text, the
    passages that mention them are recorded. `results` are what the references among the arguments stand for: whoever
    runs the tool puts in the whole text. `unseen` are paths whose files it would replace, though the user did not
    ask for that and no call has read or written them.
    """

    call: Call
    key: str
    step: int = 0
    reads: dict[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    results: dict[str, EarlierResult] = field(default_factory=dict)
    handed: HandOver | None = None
    """For a worker: what the run may hand over."""


class AskPerson(Struct, frozen=True, tag=True, kw_only=True):
    """Ask a person. Answered by `PersonAnswered` or `PersonAbsent`."""

    question: Question


class EvaluateChecks(Struct, frozen=True, tag=True, kw_only=True):
    """Evaluate the checks of a step, or of the goal (step 0). Answered by `ChecksEvaluated`."""

    step: int
    checks: tuple[Check, ...]


class Wait(Struct, frozen=True, tag=True, kw_only=True):
    """Wait until `until_s` (seconds since the epoch), for at most `seconds`. Answered by `WaitEnded`."""

    step: int
    seconds: float
    until_s: float = 0.0
    why: str = ""
    call_id: str = ""


class Finish(Struct, frozen=True, tag=True, kw_only=True):
    """The run is over."""

    outcome: Outcome


Decision: TypeAlias = ChooseRoute | ParseAnswer | JudgeCall | ChooseRecovery
External: TypeAlias = AskModel | RunTool | AskPerson | EvaluateChecks | Wait
Command: TypeAlias = Decision | External | Finish
