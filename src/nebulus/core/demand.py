"""What a step demands of a model, what happened when models were asked, and how likely success is.

Shared by `routing`, which computes a demand and chooses a tier by it, and `ceiling`, which estimates success by demand.
Invariant: a demand is known before any model is asked, and code alone computes it.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from nebulus.core.tools import Effect


class WorkKind(StrEnum):
    """What a model is asked to do in one step."""

    PLAN = "plan"
    """Write the steps towards a goal."""
    NEXT = "next"
    """Choose the next call of an open step, or end it."""
    ACT = "act"
    """Make the calls that one step of a plan asks for."""
    EXTRACT = "extract"
    """Read values from a text."""
    ANSWER = "answer"
    """Write the result that the goal asks for."""
    CHECK = "check"
    """Judge whether something is true or done."""


class ErrorCost(StrEnum):
    """What a wrong answer costs, if nothing stops it."""

    READ = "read"
    """Time: nothing outside the run changes."""
    REVERSIBLE = "reversible"
    """A change that can be changed back."""
    IRREVERSIBLE = "irreversible"
    """A change that can't be undone, or data that left the workspace."""

    @classmethod
    def of(cls, effect: Effect) -> "ErrorCost":
        """Return what a wrong call of a tool with `effect` costs."""
        return _COSTS[effect]


_COSTS = {
    Effect.READ: ErrorCost.READ,
    Effect.WRITE: ErrorCost.REVERSIBLE,
    Effect.IRREVERSIBLE: ErrorCost.IRREVERSIBLE,
    Effect.EGRESS: ErrorCost.IRREVERSIBLE,
}


class ToolDemand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tools of a prompt demand. Where several tools are shown, each field is that of the hardest one."""

    count: int = 0
    """Tools shown."""
    schema_depth: int = 0
    """Levels of nesting in the parameters: 1 for flat arguments, 2 for a list or object in one of them; 0 for none."""
    required_arguments: int = 0
    """Arguments that a call must have."""
    optional_arguments: int = 0
    """Arguments that a call may have."""
    name_match: float = 0.0
    """How much of a tool's name the text uses, for the tool that fits best: 0 for nothing, 1 for every word."""
    text_match: float = 0.0
    """How much of the text is explained by the name and description of the tool that fits best, from 0 to 1."""
    has_flag: bool = False
    """Whether an argument is true or false: whether it was asked for is rarely said in so many words."""
    has_fraction: bool = False
    """Whether an argument is a number that need not be whole."""
    has_list: bool = False
    """Whether an argument is a list."""
    has_untyped: bool = False
    """Whether the schema of an argument does not say its type."""


class ValueDemand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the values that the answer must contain demand."""

    facts: int = 0
    """Facts that must be combined: results of earlier steps, and values that the text of the step states."""
    longest_copy_characters: int = 0
    """The longest value that must be copied unchanged."""
    needs_arithmetic: bool = False
    """Whether numbers must be calculated, rather than copied."""
    needs_ordering: bool = False
    """Whether things must be sorted, compared or ranked."""


class Demand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step demands of a model."""

    kind: WorkKind
    tools: ToolDemand = ToolDemand()
    values: ValueDemand = ValueDemand()
    calls: int = 1
    """Calls that the text seems to ask for; 0 where it asks for none."""
    prompt_tokens: int = 0
    """The size of the whole prompt; 0 if unknown."""
    window_tokens: int = 0
    """The context window; 0 if unknown."""
    steps_left: int = 0
    """Steps of the plan after this one."""
    error_cost: ErrorCost = ErrorCost.READ
    language: str = ""
    """What the values are written in: "code" for identifiers of a program, "other" for a script other than Latin, else ""."""
    failures: int = 0
    """Attempts at this step that have failed already, on any tier."""


class Trial(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One recorded attempt of a model at a demand."""

    demand: Demand
    is_right: bool
    age_days: float = 0.0
    """How long ago it happened."""
    weight: float = 1.0
    """How much it counts: 1 for an item of a probe; less where whether it was right is itself uncertain."""


class Estimate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The probability that a model answers a demand right, with a credible interval."""

    mean: float
    low: float
    """The lower end of the interval."""
    high: float
    """The upper end of the interval."""
    level: float = 0.9
    """The probability that the interval contains the true value: `low` alone is exceeded with (1 + level) / 2."""
    observations: float = 0.0
    """Trials behind it, each counted by its weight and faded with its age; 0 where nothing was measured."""
    cell: str = ""
    """The finest group of demands with trials of its own: "act, 1 tool"; "all" where there was nothing finer."""


class AnswerCost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one answer of a model takes on average."""

    completion_tokens: int = 0
    """0 if unknown."""
    seconds: float = 0.0
    """0 if unknown."""


def _unknown(_: Demand) -> AnswerCost:
    return AnswerCost()


class Skill(Struct, frozen=True, kw_only=True):
    """What was measured of one model."""

    estimate: Callable[[Demand], Estimate]
    """How likely it meets a demand."""
    answer_cost: Callable[[Demand], AnswerCost] = _unknown
    """What one of its answers to a demand takes."""
