"""Everything that the machine can want done: imperatives, each answered by one event."""

from typing import TypeAlias

from msgspec import Struct, field

from nebulus.core.answers import ModelRequest
from nebulus.core.context import Context
from nebulus.core.findings import Call
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Check


class AskModel(Struct, frozen=True, tag=True, kw_only=True):
    """Ask the model of `tier`. Answered by `ModelAnswered` or `ModelFailed`.

    `is_tight`: by the estimate there may be no room for prompt and answer, so it is counted exactly first.
    """

    tier: str
    request: ModelRequest
    is_tight: bool = False


class Judge(Struct, frozen=True, tag=True, kw_only=True):
    """Judge a call, with what is known beside it. Answered by `CallAllowed`, `CallRefused` or `ApprovalAsked`."""

    call: Call
    context: Context = Context()


class Intend(Struct, frozen=True, tag=True, kw_only=True):
    """Record that an effect is about to happen. Answered by `EffectIntended`."""

    call: Call
    key: str


class RunTool(Struct, frozen=True, tag=True, kw_only=True):
    """Run an allowed call. Answered by `ToolReturned`, `ToolFailed` or `OutcomeUnknown`.

    `reads` are the values that must be read out of its text, each with its meaning: of a long one, the
    passages that tell of them are recorded.
    """

    call: Call
    key: str
    reads: dict[str, str] = field(default_factory=dict)


class AskPerson(Struct, frozen=True, tag=True, kw_only=True):
    """Ask a person. Answered by `PersonAnswered` or `PersonAbsent`."""

    question: Question


class RunChecks(Struct, frozen=True, tag=True, kw_only=True):
    """Look whether checks hold. Answered by `ChecksJudged`."""

    checks: tuple[Check, ...]


class Wait(Struct, frozen=True, tag=True, kw_only=True):
    """Let time pass, durably. Answered by `TimePassed`."""

    seconds: float
    why: str = ""


class Finish(Struct, frozen=True, tag=True, kw_only=True):
    """The run is over."""

    outcome: Outcome


Command: TypeAlias = AskModel | Judge | Intend | RunTool | AskPerson | RunChecks | Wait | Finish
