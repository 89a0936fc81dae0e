"""The machine as a value: a run's configuration, phase and history. Only `transitions.feed` makes a new one."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.core.budget import Spent
from nebulus.core.config import RunConfig
from nebulus.core.context import RunUsage
from nebulus.core.failure import Failure
from nebulus.core.history import CallRecord
from nebulus.core.outcome import Evidence, Outcome
from nebulus.core.plan import Goal
from nebulus.core.state import State
from nebulus.core.tiers import Tier
from nebulus.loop.phases import (
    Answering,
    Calling,
    Finished,
    Flight,
    NotStarted,
    Phase,
    Planning,
    Stopping,
    Task,
    Working,
    tasks_of,
)
from nebulus.memory.mentions import Mention


class Machine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run at one position of its journal."""

    config: RunConfig
    phase: Phase = NotStarted()
    state: State = field(default_factory=lambda: State(goal=Goal(text="")))
    run_id: str = ""
    position: int = 0
    spent: Spent = Spent()
    usage: RunUsage = RunUsage()
    """What policy rules count."""
    calls: tuple[CallRecord, ...] = ()
    """Every call that ran; claims are compared with them."""
    replans: int = 0
    evidence: tuple[Evidence, ...] = ()
    doubtful_steps: tuple[int, ...] = ()
    unused: tuple[Mention, ...] = ()
    """What the goal names and no call has used yet."""
    closing_words: str = ""
    """What the model said when it ended the work on a goal without a plan."""
    tools_shown: tuple[str, ...] = ()
    """The tools that the last step was shown, in order; the next prompt keeps that order where it can."""
    tokens_per_byte: dict[str, float] = field(default_factory=dict)
    """The rate of each tier, computed from the token counts that its server reported."""
    pending: tuple[int, ...] = ()
    """The steps that have not begun, in order."""
    last_branch: int = 0
    """The last step with an explicit `after`; each later step depends on the one before it."""
    lost_results: tuple[int, ...] = ()
    """The steps with a call that took effect and whose result was lost."""
    step_began: tuple[tuple[int, int], ...] = ()
    """Each step that began, with the position of the event that began it: a rewind cuts the journal after it."""
    policy_digest: str = ""
    highest_tier: int = 0
    """The place of the largest tier that a step went up to, among those that may execute steps."""

    @property
    def unused_paths(self) -> tuple[str, ...]:
        """The paths that the goal names and no call has been given yet."""
        return tuple(mention.text for mention in self.unused if mention.is_path and not mention.is_missing)

    @property
    def missing_paths(self) -> tuple[str, ...]:
        """The paths that the goal names and calls looked for in vain."""
        return tuple(mention.text for mention in self.unused if mention.is_missing)

    def has_been_given(self, path: str) -> bool:
        """Whether a call that succeeded was given `path`."""
        return any(not made.is_error and made.was_given(path) for made in self.calls)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks under way."""
        return tasks_of(self.phase)

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once the run is over."""
        return self.phase.outcome if isinstance(self.phase, Finished) else None

    def task(self, step: int) -> Task:
        """Return the task of a step (0: of the plan or the answer).

        Raises:
            LookupError: that step is not under way.
        """
        for task in self.tasks:
            if task.step == step:
                return task
        raise LookupError(f"step {step} is not under way")

    def find_flight(self, call_id: str) -> tuple[Task, Flight]:
        """Return the call named `call_id` and its task.

        Raises:
            LookupError: that call is not under way.
        """
        for task in self.tasks:
            for flight in task.flights:
                if flight.call.call_id == call_id:
                    return task, flight
        raise LookupError(f"no call {call_id!r} is under way")

    def tier_of(self, task: Task) -> Tier:
        """Return the tier that a task has reached."""
        return self.config.tiers_for(task.kind)[task.attempts.tier_index]

    def has_next_tier(self, task: Task) -> bool:
        """Whether there is a larger tier to ask."""
        return task.attempts.tier_index + 1 < len(self.config.tiers_for(task.kind))

    def with_task(self, task: Task, **changes: Any) -> "Machine":
        """Return a copy with one task replaced."""
        match self.phase:
            case Planning():
                phase: Phase = Planning(task)
            case Answering():
                phase = Answering(task)
            case Working(tasks):
                phase = Working(tuple(task if other.step == task.step else other for other in tasks))
            case Stopping(outcome, before):
                inner = replace(self, phase=before).with_task(task).phase
                assert not isinstance(inner, NotStarted | Stopping | Finished)
                phase = Stopping(outcome, inner)
            case _:
                raise LookupError(f"step {task.step} is not under way")
        return replace(self, phase=phase, **changes)

    def without_task(self, step: int) -> "Machine":
        """Return a copy without the task of a step."""
        rest = tuple(task for task in self.tasks if task.step != step)
        return replace(self, phase=Working(rest))

    def with_flight(self, task: Task, flight: Flight, **changes: Any) -> "Machine":
        """Return a copy with one call of a task replaced."""
        same = flight.call.call_id
        flights = tuple(flight if other.call.call_id == same else other for other in task.flights)
        return self.with_task(replace(task, activity=Calling(flights)), **changes)

    def cite(self, failure: Failure) -> Failure:
        """Return `failure` with this position as evidence."""
        return replace(failure, evidence=(*failure.evidence, self.position))


def missing_calls(required: Iterable[str], succeeded: Iterable[str]) -> tuple[str, ...]:
    """Return the required tools that have not succeeded yet, in order."""
    done = set(succeeded)
    return tuple(tool for tool in required if tool not in done)


def new_machine(config: RunConfig) -> Machine:
    """Return a machine that waits for its first event."""
    return Machine(config=config)
