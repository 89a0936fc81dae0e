"""Where a run is: the phase of the run, the activity of each task, the state of each call.

There are three closed unions; each value has exactly the fields that make sense in it. A *task* is something that a
model is asked for: a plan, one step, or the answer. A *flight* is one proposed call, from verdict to result.
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
    """What recovery must decide about: a failure, and the finding behind it if an answer was unusable.

    `question` is what the model asked, if the answer was a question.
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
    """The task waits until `until_s` (seconds since the epoch)."""

    seconds: float
    until_s: float
    why: str


class Checking(Struct, frozen=True):
    """Code is evaluating the checks of the step."""

    checks: tuple[Check, ...]


class NeedsHelp(Struct, frozen=True):
    """A person is asked whether the cause of a failure is fixed."""

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
    """A model reads values from the call's result. `activity` is the current activity of that request."""

    unread: Unread
    activity: "Routing | Asking | Parsing | Recovering | Waiting" = Routing()
    tier_index: int = 0
    attempts: int = 0
    retries: int = 0
    failures: tuple[str, ...] = ()
    """The class of each failure of the model server, to bound them by class."""


class Succeeded(Struct, frozen=True):
    """The call succeeded."""


class Broken(Struct, frozen=True):
    """The call failed; `strategy` says how the step recovers."""

    failure: Failure
    strategy: Strategy


class Denied(Struct, frozen=True):
    """The call was refused."""

    rule: str
    reason: str


class Dropped(Struct, frozen=True):
    """The call was not made: one before it failed or was refused, or it would give nothing new."""


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
    """One proposed call and its state. `tier` proposed it; `is_tainted` says whether its prompt was tainted."""

    proposed: ProposedCall
    tier: str
    is_tainted: bool
    state: FlightState = Queued()

    @property
    def call(self) -> Call:
        """The call, with its paths as judged."""
        return self.proposed.call

    @property
    def is_settled(self) -> bool:
        """Whether it is finished, in one way or another."""
        return isinstance(self.state, Succeeded | Broken | Denied | Dropped)


class Calling(Struct, frozen=True):
    """The calls of one answer are under way."""

    flights: tuple[Flight, ...]


Activity: TypeAlias = (
    Routing | Asking | Parsing | Calling | Recovering | Waiting | Checking | NeedsHelp | Consulting
)


class Attempts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was tried in one task. Findings and failures are those of the tier at `tier_index`."""

    tier_index: int = 0
    findings: tuple[Finding, ...] = ()
    retries: int = 0
    tool_errors: int = 0
    refusals: int = 0
    calls: int = 0
    succeeded: tuple[str, ...] = ()
    """The tools that were called successfully, on all tiers."""
    claim: str = ""
    failures: tuple[str, ...] = ()
    """Each failure of this tier as "side.class", to bound them by class."""
    avoided_tools: tuple[str, ...] = ()
    must_read: bool = False
    """Whether only reading tools are offered until one has succeeded."""
    is_helped: bool = False
    questions_asked: int = 0
    """How often a person has answered a question of the model."""
    is_replanning: bool = False
    is_reminded: bool = False
    """Whether the model was told what the goal names and no call has used."""
    is_told_missing: bool = False
    """Whether it was told which path of the goal does not exist."""
    doubt: str = ""
    escalation_reasons: tuple[str, ...] = ()
    """Why each smaller tier gave up the task."""
    has_returned: bool = False
    """Whether an open step went back to the smallest tier after a larger one had made progress."""
    history: CallHistory = CallHistory()
    last_error: str = ""
    """The error of the last call, empty if it succeeded."""
    is_tainted: bool = False
    """Whether text from outside was in a prompt of this task; its lessons may still contain it."""

    @property
    def number(self) -> int:
        """How many attempts there were at this tier."""
        return len(self.findings) + self.retries + self.tool_errors

    def reset(self, **changes: object) -> "Attempts":
        """Return a copy that counts nothing against the next attempt; what was done is kept."""
        cleared: dict[str, object] = {
            "findings": (),
            "retries": 0,
            "tool_errors": 0,
            "failures": (),
            "avoided_tools": (),
        }
        return replace(self, **{**cleared, **changes})


class Task(Struct, frozen=True, kw_only=True):
    """Work on a plan, a step or the answer. `step` is 0 for a plan and for the answer."""

    kind: StepKind
    step: int = 0
    activity: Activity = Routing()
    attempts: Attempts = Attempts()

    def to(self, activity: Activity, **attempts: object) -> "Task":
        """Return a copy in another activity, with changes to what was tried."""
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
    """Steps are under way; those that don't depend on each other run at the same time."""

    tasks: tuple[Task, ...]


class CheckingGoal(Struct, frozen=True):
    """Every step ended; code is evaluating the goal's checks."""

    checks: tuple[Check, ...]


class Answering(Struct, frozen=True):
    """The goal is met; a model is asked for the result."""

    task: Task


class Stopping(Struct, frozen=True):
    """The outcome is decided, and tools are still running. `before` is the phase in which the run stopped."""

    outcome: Outcome
    before: "Planning | Working | CheckingGoal | Answering"


class Finished(Struct, frozen=True):
    """The run is over. `before` is the phase in which it ended: a resumed run continues there."""

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
