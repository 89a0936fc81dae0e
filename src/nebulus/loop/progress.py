"""The machine's whole value: what it was set up with, where it stands, and what it wants next."""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from nebulus.core.budget import Budget, Spent
from nebulus.core.commands import Command, Finish
from nebulus.core.context import Conduct, Context
from nebulus.core.digest import digest
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.findings import Call, Finding
from nebulus.core.outcome import Evidence, Outcome, Question
from nebulus.core.plan import Goal, Step
from nebulus.core.prompt import PromptSources
from nebulus.core.state import State
from nebulus.core.tiers import StepKind, Tier
from nebulus.core.tools import ToolSpec
from nebulus.memory.extract import Unread
from nebulus.memory.recall import Index
from nebulus.recovery.claims import Deed
from nebulus.recovery.stagnation import Trail
from nebulus.recovery.strategy import Limits


class Setup(Struct, frozen=True, kw_only=True):
    """What a run is given and can't change: tools, tiers from small to large, budget, limits."""

    tools: tuple[ToolSpec, ...] = ()
    tiers: tuple[Tier, ...]
    budget: Budget = Budget()
    limits: Limits = Limits()
    heeds_steps: bool = True
    """Off only to measure what it is worth that a call is held against the words of its step."""
    resolves_references: bool = True
    """Off only to measure what it is worth that code, and not the model, looks up "the result of step 3"."""
    agent: str = "agent"
    """Who proposes the calls: what rules call `who`."""

    def digest(self) -> str:
        """Name this setup without its budget, so that a changed one is noticed on resume."""
        return digest((self.tools, self.tiers, self.limits))

    def ladder(self, kind: StepKind) -> tuple[Tier, ...]:
        """Return the tiers that may do work of `kind`, smallest first; those that execute may read as well."""
        named = tuple(tier for tier in self.tiers if kind in tier.kinds)
        return named if named or kind is not StepKind.EXTRACT else self.ladder(StepKind.EXECUTE)

    def tool(self, name: str) -> ToolSpec:
        """Return the tool called `name`.

        Raises:
            LookupError: there is none; only calls that were read against these tools may come here.
        """
        for spec in self.tools:
            if spec.name == name:
                return spec
        raise LookupError(f"no tool is called {name!r}")


class Phase(StrEnum):
    """What the machine is waiting for."""

    NEW = "new"
    PLANNING = "planning"
    ASKING = "asking"
    JUDGING = "judging"
    APPROVING = "approving"
    INTENDING = "intending"
    RUNNING = "running"
    READING = "reading"
    RECONCILING = "reconciling"
    HELPING = "helping"
    CONSULTING = "consulting"
    CHECKING = "checking"
    WAITING = "waiting"
    FINISHED = "finished"


class Tries(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was tried in the active step. `rung` is the tier's place in its ladder.

    `findings` are this tier's; `succeeded` and `calls` count tool calls over all tiers of the step.
    """

    rung: int = 0
    findings: tuple[Finding, ...] = ()
    retries: int = 0
    tool_errors: int = 0
    refusals: int = 0
    calls: int = 0
    succeeded: tuple[str, ...] = ()
    claim: str = ""
    broken: tuple[str, ...] = ()
    """Each failure of this tier as "side.class", for the budget of its class."""
    avoided: tuple[str, ...] = ()
    """Tools that are taken away for the rest of the step."""
    must_read: bool = False
    """Only reading tools are offered until one has succeeded."""
    is_helped: bool = False
    consulted: int = 0
    """How often a person has answered what a model asked."""
    is_replanning: bool = False
    doubt: str = ""
    """What speaks against the call that was made, and was let be after it had been raised."""
    handed: tuple[str, ...] = ()
    """What each smaller tier said when it gave the step up."""
    trail: Trail = Trail()
    last_failed: str = ""
    is_tainted: bool = False
    """Text from outside stood in a prompt of this step; its lessons may carry it on."""


class Extraction(Struct, frozen=True, kw_only=True):
    """A result out of which a model reads values, and how often it was tried. `rung` is the tier's place."""

    unread: Unread
    rung: int = 0
    attempts: int = 0
    retries: int = 0
    broken: tuple[FailureKind, ...] = ()


class Machine(Struct, frozen=True, kw_only=True):
    """A run at one position. `command` is wanted now; `call` is the one being judged or run.

    `queue` holds the calls of the same answer that come after it.
    """

    setup: Setup
    phase: Phase = Phase.NEW
    state: State = field(default_factory=lambda: State(goal=Goal(text="")))
    command: Command | None = None
    run_id: str = ""
    position: int = 0
    spent: Spent = Spent()
    tries: Tries = Tries()
    call: Call = Call("")
    key: str = ""
    queue: tuple[Call, ...] = ()
    heard: PromptSources = PromptSources()
    """What the model had been shown that asked for `call` and `queue`."""
    context: Context = Context()
    """What the guard was told beside `call`."""
    conduct: Conduct = Conduct()
    extraction: Extraction | None = None
    """Held while values are read out of the last result; what comes after it waits."""
    held: tuple[Phase, Command] | None = None
    """What is done when a wait is over."""
    question: Question | None = None
    broken: Failure | None = None
    """What a person is asked about."""
    deeds: tuple[Deed, ...] = ()
    """Every call that succeeded: what a claim is held against."""
    replans: int = 0
    doubts: tuple[int, ...] = ()
    """The steps that ended in doubt."""
    evidence: tuple[Evidence, ...] = ()
    index: Index = Index()
    """Finds facts by words; covers those known at the last question."""
    offered: tuple[str, ...] = ()
    """The tools that the last step was shown, in order: they stay where they can."""
    rates: dict[str, float] = field(default_factory=dict)
    """Tokens a byte by tier, as the servers' own figures showed."""
    step_began: int = 0
    """Position of the last event before the active step began: where a resume after a failure starts."""

    active: int = 0
    """Number of the active step, 0 before the first and after the last."""

    @property
    def step(self) -> Step:
        """The active step."""
        return self.state.step(self.active)

    def counted(self) -> "Machine":
        """Return this with one more event consumed."""
        return replace(self, position=self.position + 1)

    def to(self, phase: Phase, command: Command, **changes: Any) -> "Machine":
        """Return this in `phase`, wanting `command`, with other fields changed."""
        return replace(self, phase=phase, command=command, **changes)

    def finished(self, outcome: Outcome) -> "Machine":
        """Return this at its end."""
        return self.to(Phase.FINISHED, Finish(outcome=outcome))

    def with_tries(self, **changes: Any) -> "Machine":
        """Return this with what was tried in the step changed."""
        return replace(self, tries=replace(self.tries, **changes))

    def anew(self, **changes: Any) -> "Machine":
        """Return this with nothing counted against the step's attempts, as at its beginning."""
        return self.with_tries(findings=(), retries=0, tool_errors=0, broken=(), avoided=(), **changes)

    def cited(self, failure: Failure) -> Failure:
        """Return `failure` with this position as evidence."""
        return replace(failure, evidence=(*failure.evidence, self.position))

    @property
    def outcome(self) -> Outcome | None:
        """The outcome, once the run is over."""
        return self.command.outcome if isinstance(self.command, Finish) else None


def new_machine(setup: Setup) -> Machine:
    """Return a machine that waits for its goal."""
    return Machine(setup=setup)
