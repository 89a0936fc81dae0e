"""What code knows about the run: a pure value, rebuilt by replaying events.

Invariant: `State + event → State`; no model is needed to maintain it, and no model can change it.
"""

from enum import StrEnum

from msgspec import Struct

from nebulus.core.plan import FINISHED_STATUSES, Goal, Plan, Step, StepStatus
from nebulus.core.provenance import CONFIG, Provenance


class FactKind(StrEnum):
    """Where a fact came from."""

    RESULT = "result"
    """A tool returned it."""
    NOTE = "note"
    """A model said it, and no code has verified it."""
    QUESTION = "question"
    """A model asked it."""
    ANSWER = "answer"
    """The user answered it."""


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that a step produced, and where it came from."""

    step: int
    value: str
    provenance: Provenance
    field: str = ""
    """The name of the value in its result; "" for the whole result."""
    where: str = ""
    """Its place in the result and the text around it, bounded, for a reader; "" for a declared field."""
    is_labelled: bool = True
    """Whether the result itself names it; otherwise it was found by its form, and `field` is its kind."""
    kind: FactKind = FactKind.RESULT

    @property
    def name(self) -> str:
        """Its name as shown to a reader: "step 2 celsius"."""
        said = _SAID.get(self.kind, self.field)
        return f"step {self.step} {said}" if said else f"step {self.step}"


_SAID = {FactKind.NOTE: "(the model's words)", FactKind.QUESTION: "question", FactKind.ANSWER: "answer"}


class Artifact(Struct, frozen=True, omit_defaults=True):
    """A large value behind a handle: its content address, its size, and the call that made it.

    `head` is its beginning; `shape` describes it in words ("JSON list of 300 objects", "1800 lines").
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


class Observation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The latest output of a tool in a step, bounded."""

    step: int
    tool: str
    text: str
    provenance: Provenance
    is_error: bool = False
    handle: str = ""
    """The handle of the whole output; "" if `text` is all of it."""
    answer: str = ""
    """Names the model's answer that made the call: the outputs of all its calls are shown together."""
    arguments: str = ""
    """The arguments of the call as JSON, bounded: they tell the outputs of one answer apart."""


class Lesson(Struct, frozen=True, omit_defaults=True):
    """What failed in a step, how often, and why: never the text of the attempt itself.

    `step` is 0 for a lesson for the planner. `provenance` is that of the text that `why` quotes.
    """

    step: int
    kind: str
    why: str
    count: int = 1
    provenance: Provenance = CONFIG


class OpenQuestion(Struct, frozen=True):
    """A question that nobody has answered yet, verbatim; `provenance` is that of its text."""

    text: str
    provenance: Provenance = CONFIG


class State(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Goal, plan, facts, artifacts, lessons, open questions, and the latest observations that may still be shown."""

    goal: Goal
    plan: Plan = Plan(())
    facts: tuple[Fact, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    lessons: tuple[Lesson, ...] = ()
    observations: tuple[Observation, ...] = ()
    questions: tuple[OpenQuestion, ...] = ()
    files: tuple[str, ...] = ()
    """The paths of files in the workspace when the run began, as far as they were listed."""

    def step(self, number: int) -> Step:
        """Return step `number` of the plan.

        Raises:
            LookupError: the plan has no such step.
        """
        if not 0 < number <= len(self.plan.steps):
            raise LookupError(f"step {number} does not exist: the plan has {len(self.plan.steps)} steps")
        return self.plan.steps[number - 1]

    @property
    def active_steps(self) -> tuple[int, ...]:
        """The numbers of the active steps."""
        return tuple(step.number for step in self.plan.steps if step.status is StepStatus.ACTIVE)

    @property
    def done_count(self) -> int:
        """How many steps are done, proven or claimed."""
        statuses = [step.status for step in self.plan.steps]
        return sum(map(statuses.count, FINISHED_STATUSES))

    def next_pending(self) -> int:
        """Return the number of the first pending step, 0 if there is none."""
        return next((step.number for step in self.plan.steps if step.status is StepStatus.PENDING), 0)
