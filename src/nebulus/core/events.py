"""Everything that can happen to a run: facts, in the past tense, one spelling each.

An event answers exactly one command. `took_s` is measured by the runtime, in seconds.
"""

from typing import Any, TypeAlias

from msgspec import Struct, field

from nebulus.core.answers import ModelAnswer
from nebulus.core.budget import Spent
from nebulus.core.context import NOTHING, Judged
from nebulus.core.failure import Failure
from nebulus.core.plan import Goal, Plan
from nebulus.core.tools import SandboxLevel, ToolResult


class GoalGiven(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A run began. An empty plan means that the planning tier shall propose one.

    The digests name the setup that the run began with, so that a changed one is noticed on resume.
    """

    goal: Goal
    plan: Plan = Plan(())
    run_id: str = ""
    setup_digest: str = ""
    policy_digest: str = ""


class ModelAnswered(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A model of `tier` answered."""

    tier: str
    answer: ModelAnswer
    took_s: float = 0.0


class ModelFailed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """No answer that may be used came from `tier`."""

    tier: str
    failure: Failure
    took_s: float = 0.0


class CallAllowed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The guard allows the call; `canonical` holds the path arguments as they were judged."""

    call_id: str
    rule: str
    canonical: dict[str, str] = field(default_factory=dict)
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: Judged = NOTHING


class CallRefused(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The guard refuses the call."""

    call_id: str
    rule: str
    reason: str
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: Judged = NOTHING


class ApprovalAsked(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The guard wants a person to decide on the call, its path arguments being `canonical`."""

    call_id: str
    rule: str
    reason: str
    canonical: dict[str, str] = field(default_factory=dict)
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: Judged = NOTHING


class PersonAnswered(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A person decided; `text` is their word, if they gave one."""

    question_id: str
    is_yes: bool
    text: str = ""
    by: str = ""


class PersonAbsent(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """Nobody is there to answer now."""

    question_id: str


class EffectIntended(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The effect is about to happen, under this key: from here on it may have happened."""

    call_id: str
    key: str


class ToolReturned(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The tool did its work."""

    call_id: str
    result: ToolResult
    took_s: float = 0.0


class ToolFailed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The tool did not do its work, and nothing happened."""

    call_id: str
    failure: Failure
    took_s: float = 0.0


class OutcomeUnknown(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The effect may have happened: the process died, or the time ran out, after it was intended."""

    call_id: str
    why: str


class ChecksJudged(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """Code looked: one result a check, in order; `why` explains those that did not hold."""

    held: tuple[bool, ...]
    why: tuple[str, ...] = ()


class TimePassed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A wait is over."""

    seconds: float


class SetupChanged(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A person took the run up with another setup, here as plain JSON, with another policy, or from earlier on.

    `conduct` is what the run had done before that, as plain JSON, and `spent` what it had spent: limits and
    budgets go on counting where its record was cut.
    """

    setup: dict[str, Any]
    policy_digest: str = ""
    conduct: dict[str, Any] = field(default_factory=dict)
    spent: Spent | None = None


Event: TypeAlias = (
    GoalGiven
    | ModelAnswered
    | ModelFailed
    | CallAllowed
    | CallRefused
    | ApprovalAsked
    | PersonAnswered
    | PersonAbsent
    | EffectIntended
    | ToolReturned
    | ToolFailed
    | OutcomeUnknown
    | ChecksJudged
    | TimePassed
    | SetupChanged
)
