"""Where a run is: the phase of the run, the activity of each task, the state of each call.

Three closed unions, each value with exactly the fields that make sense in it. A *task* is what a model is asked to
bring about: a plan, one step, or the answer. A *flight* is one proposed call, from verdict to result.
"""

from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.core.answers import ModelAnswer
from nebulus.core.events import ProposedCall
from nebulus.core.failure import Failure
from nebulus.core.findings import Call, Finding
from nebulus.core.history import CallHistory
from nebulus.core.outcome import Outcome, Question
from nebulus.core.plan import Check
from nebulus.core.strategy import Strategy
from nebulus.core.tiers import StepKind
from nebulus.memory.extract import Unread


class Problem(Struct, frozen=True):
    """What recovery must decide about: a failure, and the finding that it came from, if an answer was unusable.

    `question` is what the model asked, where the answer was a question.
    """

    failure: Failure
    finding: Finding | None = None
    question: str = ""


class Routing(Struct, frozen=True):
    """A tier must be chosen."""


class Asking(Struct, frozen=True):
    """A model is being asked."""

    tier: str


class Parsing(Struct, frozen=True):
    """An answer must be parsed."""

    tier: str
    answer: ModelAnswer


class Recovering(Struct, frozen=True):
    """A strategy must be chosen."""

    problem: Problem


class Waiting(Struct, frozen=True):
    """Time must pass, until `until_s` (seconds since the epoch)."""

    seconds: float
    until_s: float
    why: str


class Checking(Struct, frozen=True):
    """Code is evaluating the checks of the step."""

    checks: tuple[Check, ...]


class NeedsHelp(Struct, frozen=True):
    """A person is asked whether the cause of a failure is mended."""

    question: Question
    failure: Failure


class Consulting(Struct, frozen=True):
    """A person is asked what the model asked."""

    question: Question


class Queued(Struct, frozen=True):
    """The call waits for the calls before it."""


class Judging(Struct, frozen=True):
    """The guard must judge the call."""


class AwaitingApproval(Struct, frozen=True):
    """A person must approve the call."""

    question: Question


class Running(Struct, frozen=True):
    """The call is allowed and may have begun; `key` is its idempotency key."""

    key: str


class CallRecovering(Struct, frozen=True):
    """The tool failed, and a strategy must be chosen."""

    failure: Failure
    key: str


class CallWaiting(Struct, frozen=True):
    """The same call is made again when the wait is over."""

    seconds: float
    until_s: float
    why: str
    key: str


class Reconciling(Struct, frozen=True):
    """A person must say whether the call took effect."""

    question: Question


class Extracting(Struct, frozen=True, kw_only=True):
    """A model reads values out of the call's result. `activity` is what is being done about it now."""

    unread: Unread
    activity: "Routing | Asking | Parsing | Recovering | Waiting" = Routing()
    tier_index: int = 0
    attempts: int = 0
    retries: int = 0
    failures: tuple[str, ...] = ()
    """The class of each failure of the model server, for the budget of its class."""


class Succeeded(Struct, frozen=True):
    """The call did its work."""


class Broken(Struct, frozen=True):
    """The call failed, and `strategy` is what the step does about it."""

    failure: Failure
    strategy: Strategy


class Denied(Struct, frozen=True):
    """The call was refused."""

    rule: str
    reason: str


class Dropped(Struct, frozen=True):
    """The call was not made: one before it failed or was refused, or it would bring nothing."""


Settled: TypeAlias = Succeeded | Broken | Denied | Dropped
FlightState: TypeAlias = (
    Queued
    | Judging
    | AwaitingApproval
    | Running
    | CallRecovering
    | CallWaiting
    | Reconciling
    | Extracting
    | Settled
)


class Flight(Struct, frozen=True):
    """One proposed call and what has become of it. `tier` proposed it, from a prompt that may have been tainted."""

    proposed: ProposedCall
    tier: str
    is_tainted: bool
    state: FlightState = Queued()

    @property
    def call(self) -> Call:
        """The call, with its paths as they were judged."""
        return self.proposed.call

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will come of it."""
        return isinstance(self.state, Succeeded | Broken | Denied | Dropped)


class Calling(Struct, frozen=True):
    """The calls of one answer are under way."""

    flights: tuple[Flight, ...]


Activity: TypeAlias = (
    Routing | Asking | Parsing | Calling | Recovering | Waiting | Checking | NeedsHelp | Consulting
)


class Attempts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was tried in one task. Counts of findings and failures are those of the tier at `tier_index`."""

    tier_index: int = 0
    findings: tuple[Finding, ...] = ()
    retries: int = 0
    tool_errors: int = 0
    refusals: int = 0
    calls: int = 0
    succeeded: tuple[str, ...] = ()
    """The tools that were called with success, over all tiers."""
    claim: str = ""
    failures: tuple[str, ...] = ()
    """Each failure of this tier as "side.class", for the budget of its class."""
    avoided_tools: tuple[str, ...] = ()
    must_read: bool = False
    """Only reading tools are offered until one has succeeded."""
    is_helped: bool = False
    questions_asked: int = 0
    """How often a person has answered what a model asked."""
    is_replanning: bool = False
    doubt: str = ""
    escalation_reasons: tuple[str, ...] = ()
    """Why each smaller tier gave the task up."""
    history: CallHistory = CallHistory()
    last_error: str = ""
    """The error of the last call, empty if it succeeded."""
    is_tainted: bool = False
    """Text from outside was in a prompt of this task; its lessons may carry it on."""

    @property
    def number(self) -> int:
        """How many attempts there were at this tier."""
        return len(self.findings) + self.retries + self.tool_errors

    def reset(self, **changes: object) -> "Attempts":
        """Return these with nothing counted against the next attempt; what was done stays."""
        cleared: dict[str, object] = {
            "findings": (),
            "retries": 0,
            "tool_errors": 0,
            "failures": (),
            "avoided_tools": (),
        }
        return replace(self, **{**cleared, **changes})


class Task(Struct, frozen=True, kw_only=True):
    """A plan, a step or the answer being brought about. `step` is 0 for a plan and the answer."""

    kind: StepKind
    step: int = 0
    activity: Activity = Routing()
    attempts: Attempts = Attempts()

    def to(self, activity: Activity, **attempts: object) -> "Task":
        """Return this in another activity, with what was tried changed."""
        return replace(self, activity=activity, attempts=replace(self.attempts, **attempts))

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The calls under way, none outside of `Calling`."""
        return self.activity.flights if isinstance(self.activity, Calling) else ()


class NotStarted(Struct, frozen=True):
    """Nothing has happened yet."""


class Planning(Struct, frozen=True):
    """A planning tier is asked for the steps."""

    task: Task


class Working(Struct, frozen=True):
    """Steps are under way; those that don't depend on each other at the same time."""

    tasks: tuple[Task, ...]


class CheckingGoal(Struct, frozen=True):
    """Every step ended; code is evaluating the goal's checks."""

    checks: tuple[Check, ...]


class Answering(Struct, frozen=True):
    """The goal is met; a model is asked for the result."""

    task: Task


class Stopping(Struct, frozen=True):
    """The outcome is decided; tools that are still running are waited for. `before` is the phase it stopped in."""

    outcome: Outcome
    before: "Planning | Working | CheckingGoal | Answering"


class Finished(Struct, frozen=True):
    """The run is over. `before` is the phase that it ended in: where a resumed run goes on."""

    outcome: Outcome
    before: "NotStarted | Planning | Working | CheckingGoal | Answering"


Phase: TypeAlias = NotStarted | Planning | Working | CheckingGoal | Answering | Stopping | Finished


def tasks_of(phase: Phase) -> tuple[Task, ...]:
    """Return the tasks of a phase."""
    match phase:
        case Planning(task) | Answering(task):
            return (task,)
        case Working(tasks):
            return tasks
        case Stopping() | Finished():
            return tasks_of(phase.before)
        case NotStarted() | CheckingGoal():
            return ()
