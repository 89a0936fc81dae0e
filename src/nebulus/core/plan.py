"""A goal, and the ordered steps towards it, with the code that decides when they are met."""

from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct, field

from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.result import ResultSpec

RUNBOOK = "runbook"
"""The origin of a plan whose steps the user wrote."""
TRANSCRIPT = "transcript"
"""The origin of a plan made from somebody's chat history: its active step is what the user said last."""
GOAL = "goal"
"""The origin of a plan of one open step, which is the goal itself."""


class PlanMode(StrEnum):
    """How a goal without a plan is worked on."""

    OUTLINE = "outline"
    """A model writes a plan first; each of its steps is carried out on its own."""
    NEXT = "next"
    """A model chooses one call after the other, seeing what the calls before it returned, until it ends the work."""


class PathExists(Struct, frozen=True, tag="exists"):
    """A file or folder exists at `path` in the workspace."""

    path: str


class PathAbsent(Struct, frozen=True, tag="absent"):
    """Nothing exists at `path` in the workspace."""

    path: str


class FileContains(Struct, frozen=True, tag="contains"):
    """The file at `path` contains `text`, literally."""

    path: str
    text: str


class ToolSucceeded(Struct, frozen=True, tag="called"):
    """A call of `tool` succeeded within this step."""

    tool: str


class Named(Struct, frozen=True, tag="named"):
    """A predicate of the application, registered under `name`."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


class EndsAs(Struct, frozen=True, tag="ends_as", kw_only=True):
    """The files are as `agreed` of `tries` tries of the goal left them in copies of the workspace.

    That the tries agree doesn't prove that they are right. `files` are digests of what the tries changed, by path,
    "" for a file that is gone.
    """

    agreed: int
    tries: int
    files: dict[str, str]


Check: TypeAlias = PathExists | PathAbsent | FileContains | ToolSucceeded | Named | EndsAs


class StepStatus(StrEnum):
    """The status of a step."""

    PENDING = "pending"
    ACTIVE = "active"
    PROVEN = "proven"
    """Done, and code checked the world."""
    CALLED = "called"
    """Done by a call that succeeded; nothing checked the world."""
    CLAIMED = "claimed"
    """Done according to the model alone."""
    FAILED = "failed"
    DROPPED = "dropped"
    """Replaced by a newer plan."""


FINISHED_STATUSES = frozenset({StepStatus.PROVEN, StepStatus.CALLED, StepStatus.CLAIMED})


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to do. `number` counts from 1 and never changes; empty `tools` means any that fit.

    `reads` names the values that must be read from what its calls return, each with its meaning. `after` names
    the steps that must be finished first: None means the step before it, empty means none.
    """

    number: int
    text: str
    tools: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    status: StepStatus = StepStatus.PENDING
    reads: dict[str, str] = field(default_factory=dict)
    after: tuple[int, ...] | None = None
    is_open: bool = False
    """Whether it takes as many calls as it needs, until the model ends it; what they returned stays visible to it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Arguments that its call must have: data, compared by value, never parsed from `text`."""

    @property
    def depends_on(self) -> tuple[int, ...]:
        """The numbers of the steps that must be finished first."""
        if self.after is not None:
            return self.after
        return (self.number - 1,) if self.number > 1 else ()


class Input(Struct, frozen=True, omit_defaults=True):
    """Data that a goal is about: shown to the model whole, and no instruction. `label` says where it came from."""

    name: str
    value: str
    label: Provenance | None = None

    @property
    def provenance(self) -> Provenance:
        """Its label; without one it is a document, and nobody says that its content may be trusted."""
        return self.label or Provenance((Origin("document", self.name),), is_trusted=False)


class Goal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user wants, verbatim, what must always be true, and the checks that decide when it is met.

    `inputs` is the data that it is about. `result` describes the answer that is wanted; None if only the outcome is.
    """

    text: str
    constraints: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    inputs: tuple[Input, ...] = ()
    result: ResultSpec | None = None


class Plan(Struct, frozen=True, omit_defaults=True):
    """Steps in order. `origin` says who made it: a runbook of the user, or a planning tier.

    `is_tainted`: it was made after text from outside had been read, so it endorses no call.
    """

    steps: tuple[Step, ...]
    origin: str = RUNBOOK
    is_tainted: bool = False

    @property
    def provenance(self) -> Provenance:
        """The provenance of the steps' text: the user, or the tier that planned."""
        if self.origin in (RUNBOOK, TRANSCRIPT) and not self.is_tainted:
            return USER
        return Provenance((Origin("model", self.origin),), is_trusted=not self.is_tainted)
