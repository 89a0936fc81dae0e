"""Everything that can happen to a run: facts in the past tense, and the decisions that code made.

Invariants: an event answers exactly one command and says which by step, call or question; decisions are events,
so replaying a journal runs no parser, router, policy or composer. `took_s` is measured by the runtime, in seconds.
"""

from typing import TypeAlias

from msgspec import Struct, field

from nebulus.core.answers import ModelAnswer
from nebulus.core.authority import HandedBack
from nebulus.core.budget import Spent
from nebulus.core.config import RunConfig
from nebulus.core.context import JudgedCall, Label, RunUsage
from nebulus.core.demand import Demand, Estimate
from nebulus.core.failure import Failure
from nebulus.core.findings import Call, Edit, Finding
from nebulus.core.outcome import Question
from nebulus.core.plan import Goal, Plan
from nebulus.core.references import NO_VALUES, RealValues
from nebulus.core.result import Result
from nebulus.core.routes import Alternative
from nebulus.core.strategy import Strategy
from nebulus.core.tiers import StepKind
from nebulus.core.tools import Mark, SandboxLevel, ToolResult
from nebulus.core.verdict import Verdict

JOURNAL_VERSION = 2
"""Raised when a journal written before would replay to another machine; recorded in a run's first event."""


class RunStarted(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A run began. A plan without steps means that the planning tier is asked for one.

    `version` is that of the journal, so that a later version of Nebulus knows whether it may replay it. `files` are
    the paths of files in the workspace, as far as they were listed.
    """

    goal: Goal
    config: RunConfig
    plan: Plan = Plan(())
    run_id: str = ""
    policy_digest: str = ""
    version: int = 0
    files: tuple[str, ...] = ()


class RunResumed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A person resumed the run: after its outcome, with another configuration, or from an earlier step.

    `spent` and `usage` are given where records were cut off: budgets and rules still count what was done.
    """

    config: RunConfig | None = None
    policy_digest: str = ""
    spent: Spent | None = None
    usage: RunUsage | None = None


class RouteChosen(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The router chose a tier for the next request about a step, or about a call's result.

    `demand` and what follows it are given where the choice was made by demand, rather than by going up a ladder.
    """

    step: int
    kind: StepKind
    tier: str
    reason: str
    call_id: str = ""
    demand: Demand | None = None
    estimate: Estimate | None = None
    needed: float = 0.0
    """The lower bound of success that was wanted."""
    shortfall: float = 0.0
    """How far below it the chosen tier is."""
    alternatives: tuple[Alternative, ...] = ()


class ModelAnswered(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A model answered.

    `prompt_bytes` is the size of the prompt, and `tools_shown` names the tools in it, in order.
    """

    step: int
    kind: StepKind
    tier: str
    answer: ModelAnswer
    call_id: str = ""
    prompt_bytes: int = 0
    tools_shown: tuple[str, ...] = ()
    took_s: float = 0.0


class ModelFailed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A tier gave no usable answer."""

    step: int
    kind: StepKind
    tier: str
    failure: Failure
    call_id: str = ""
    took_s: float = 0.0


class ProposedCall(Struct, frozen=True, omit_defaults=True):
    """A call that an answer proposes, with the sources of its arguments."""

    call: Call
    labels: tuple[Label, ...] = ()
    is_planned: bool = False
    """Whether the plan names its tool for this step."""
    real: RealValues = NO_VALUES
    """What its references stand for, once it was judged."""


class CallsParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer is calls. `doubt` is an objection that was raised before and does not stop them now."""

    calls: tuple[ProposedCall, ...]
    edits: tuple[Edit, ...] = ()
    doubt: str = ""


class ClaimParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer is text without a call, taken as the claim that the step is done."""

    text: str


class QuestionParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer only asks a question."""

    text: str


class PlanParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer is a plan that was accepted."""

    plan: Plan


class ValuesParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer is values read from a result; `made_up` names those that the result does not contain."""

    marks: tuple[Mark, ...] = ()
    made_up: tuple[str, ...] = ()


class ResultParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer is the result that the goal asks for."""

    result: Result


class Unusable(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The answer can't be used, for one precise reason."""

    finding: Finding


Parsed: TypeAlias = (
    CallsParsed | ClaimParsed | QuestionParsed | PlanParsed | ValuesParsed | ResultParsed | Unusable
)


class AnswerParsed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """What the last answer says. `is_tainted`: text from outside was in the prompt that it answers."""

    step: int
    parsed: Parsed
    call_id: str = ""
    is_tainted: bool = False


class CallJudged(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The guard's verdict on a call; `paths` are its path arguments as judged, where that changed them.

    `real` says what its references stood for.
    """

    call_id: str
    verdict: Verdict
    paths: dict[str, str] = field(default_factory=dict)
    policy_digest: str = ""
    sandbox: SandboxLevel = SandboxLevel.NONE
    judged: JudgedCall = JudgedCall()
    real: RealValues = NO_VALUES


class CallDropped(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A call is not made, since earlier calls have already given everything that it could."""

    call_id: str
    reason: str


class RecoveryChosen(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """How to recover from a failure of a step, or of one of its calls.

    `until_s` is when a wait ends, in seconds since the epoch: after a restart, only the rest is waited for.
    """

    step: int
    strategy: Strategy
    call_id: str = ""
    until_s: float = 0.0


class PersonAnswered(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A person decided; `text` is what they wrote, if anything."""

    question_id: str
    is_yes: bool
    text: str = ""
    by: str = ""


class PersonAbsent(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """Nobody is available to answer now."""

    question_id: str


class ToolReturned(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The tool succeeded."""

    call_id: str
    result: ToolResult
    took_s: float = 0.0
    handed: HandedBack | None = None
    """The run of the worker that did it, and what it cost."""


class ToolFailed(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The tool failed, and nothing happened."""

    call_id: str
    failure: Failure
    took_s: float = 0.0
    handed: HandedBack | None = None
    """The run of the worker that failed, and what it cost."""


class OutcomeUnknown(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """The effect may have happened: the process died, or the time ran out, during the call."""

    call_id: str
    why: str


class WorkerBlocked(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A worker can't go on before a person has answered its `question`."""

    call_id: str
    question: Question
    took_s: float = 0.0
    handed: HandedBack | None = None


class ChecksEvaluated(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """Code evaluated the checks of a step (0: of the goal): one result per check, in order; `why` explains failures."""

    step: int
    passed: tuple[bool, ...]
    why: tuple[str, ...] = ()


class WaitEnded(Struct, frozen=True, tag=True, kw_only=True, omit_defaults=True):
    """A wait is over."""

    step: int
    seconds: float
    call_id: str = ""


Event: TypeAlias = (
    RunStarted
    | RunResumed
    | RouteChosen
    | ModelAnswered
    | ModelFailed
    | AnswerParsed
    | CallJudged
    | CallDropped
    | RecoveryChosen
    | PersonAnswered
    | PersonAbsent
    | ToolReturned
    | ToolFailed
    | OutcomeUnknown
    | WorkerBlocked
    | ChecksEvaluated
    | WaitEnded
)
