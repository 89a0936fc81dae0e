"""What code knows about the run: a pure value, rebuilt by replaying events.

Law: `State + event → State`; no model is needed to keep it, and no model can change it.
"""

from msgspec import Struct

from nebulus.core.plan import FINISHED_STATUSES, Goal, Plan, Step, StepStatus
from nebulus.core.provenance import Provenance


class Fact(Struct, frozen=True, omit_defaults=True):
    """A named value and where it came from; `step` is the step that brought it (0 for none).

    `where` is its place in the result and what stands around it, bounded ("" for a declared field).
    """

    name: str
    value: str
    provenance: Provenance
    step: int = 0
    where: str = ""


class Artifact(Struct, frozen=True, omit_defaults=True):
    """A large value behind a handle: its content address, its size, and the call that made it.

    `head` is how it begins, `shape` what it is in words ("JSON list of 300 objects", "1800 lines").
    """

    handle: str
    content: str
    size_bytes: int
    head: str = ""
    call_id: str = ""
    tool: str = ""
    shape: str = ""
    step: int = 0
    provenance: Provenance = Provenance()


class Observation(Struct, frozen=True, omit_defaults=True):
    """The last thing that a tool said, bounded; `handle` is where the whole stands ("" for nowhere else).

    `is_derived`: the tool is trusted, but what it was given came from outside.
    """

    tool: str
    text: str
    is_error: bool = False
    is_trusted: bool = True
    is_derived: bool = False
    handle: str = ""


class Lesson(Struct, frozen=True, omit_defaults=True):
    """What failed in a step, how often, and why: never the text of the attempt itself."""

    step: int
    kind: str
    why: str
    count: int = 1


class State(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Goal, plan, facts, artifacts, lessons and the last observations of the active step.

    `questions` are what nobody has answered yet, verbatim.
    """

    goal: Goal
    plan: Plan = Plan(())
    facts: tuple[Fact, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    observations: tuple[Observation, ...] = ()
    questions: tuple[str, ...] = ()
    active: int = 0
    """Number of the active step, 0 before the first and after the last."""

    @property
    def step(self) -> Step:
        """The active step.

        Raises:
            LookupError: no step is active.
        """
        if not self.active:
            raise LookupError("no step is active")
        return self.plan.steps[self.active - 1]

    @property
    def done_count(self) -> int:
        """How many steps are done, proven or claimed."""
        return sum(step.status in FINISHED_STATUSES for step in self.plan.steps)

    def next_pending(self) -> int:
        """Return the number of the first pending step, 0 if there is none."""
        return next((step.number for step in self.plan.steps if step.status is StepStatus.PENDING), 0)
