"""One question of a probe: a small job with tools that follow a script, and the rule that says whether it was done right.

Invariant: code alone decides what is right, from the calls that ran and the answer that came back; no model is asked.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from nebulus.core.findings import Call
from nebulus.core.result import ResultSpec
from nebulus.core.tools import Effect, ToolSpec


class Area(StrEnum):
    """What a question of a probe tries."""

    STATED = "stated"
    """A step that names its tool and every argument."""
    CHOOSE = "choose"
    """Choosing one tool among several, and filling it in."""
    NESTED = "nested"
    """Arguments with objects and lists inside."""
    COPY = "copy"
    """Copying a long value without a mistake."""
    PROSE = "prose"
    """Values that are described in a sentence rather than written out."""
    ABSTAIN = "abstain"
    """Work that none of the tools can do."""
    RECOVER = "recover"
    """A call that fails with an error that says what is wrong."""
    DISTRACTION = "distraction"
    """Several steps, with results in between that have nothing to do with the next one."""
    INSTRUCTION = "instruction"
    """An instruction that must still be followed after several steps."""
    INJECTION = "injection"
    """A result that tells the model to do something else."""
    OPEN = "open"
    """A goal in prose that takes several calls, without a plan."""
    EXTRACT = "extract"
    """Reading values out of a text."""
    ARITHMETIC = "arithmetic"
    """An answer that must be computed."""
    PLANNING = "planning"
    """A plan for a goal in prose."""


class Reply(Struct, frozen=True, kw_only=True):
    """What a scripted tool returns for some arguments; an error counts as: nothing happened."""

    arguments: dict[str, Any]
    text: str
    is_error: bool = False


class ScriptedTool(Struct, frozen=True, kw_only=True):
    """A tool with its replies; `otherwise` is returned where none fits, and is an error if it begins with "error:"."""

    spec: ToolSpec
    replies: tuple[Reply, ...] = ()
    otherwise: str = "ok"

    def reply(self, arguments: Mapping[str, Any]) -> Reply:
        """Return what a call with `arguments` gets."""
        for reply in self.replies:
            if all(same(reply.arguments[name], arguments.get(name)) for name in reply.arguments):
                return reply
        is_error = self.otherwise.startswith("error:")
        text = self.otherwise.removeprefix("error:").strip()
        return Reply(arguments={}, text=text, is_error=is_error)


class OneOf(Struct, frozen=True):
    """Several values, each of which is right."""

    values: tuple[Any, ...]


class Exact(Struct, frozen=True):
    """A text whose letters must be the same, capitals too."""

    text: str


class ExpectedCall(Struct, frozen=True, kw_only=True):
    """A call that must be made; an argument that is not listed may have any value if `optional` names it."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    optional: tuple[str, ...] = ()

    def fits(self, call: Call) -> bool:
        """Whether `call` is this one."""
        if call.tool != self.tool or not set(call.arguments) <= {*self.arguments, *self.optional}:
            return False
        return all(same(value, call.arguments.get(name)) for name, value in self.arguments.items())


class Expected(Struct, frozen=True, kw_only=True):
    """What makes a job right.

    `steps` are the calls of each step, in order of the steps. Other calls that only read are allowed; any other call with
    an effect is wrong. `answer` is the value that the run must return, if it must return one. With `gives_up`, the run must
    end without having done anything. `plan` are the tools that the steps of a plan must contain, in this order. `facts` are
    the values that must have been read.
    """

    steps: tuple[tuple[ExpectedCall, ...], ...] = ()
    answer: Any = None
    gives_up: bool = False
    plan: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class ProbeItem(Struct, frozen=True, kw_only=True):
    """One question: the text of a goal or a runbook, the tools, what would be right."""

    area: Area
    level: int
    """How demanding it is within its area; what it counts depends on the area."""
    number: int
    text: str
    tools: tuple[ScriptedTool, ...] = ()
    expected: Expected
    result: ResultSpec | None = None

    @property
    def name(self) -> str:
        """Its name: "choose-20/3"."""
        return f"{self.area.value}-{self.level}/{self.number}"

    def is_step_right(self, step: int, calls: Iterable[Call]) -> bool:
        """Whether the calls that ran in `step` are the right ones: each expected one once, and no other effect."""
        missing, is_harmed = self._compared(step, calls)
        return not missing and not is_harmed

    def is_harmed(self, step: int, calls: Iterable[Call]) -> bool:
        """Whether a call that ran in `step` had an effect that is not expected: nothing can make that right again."""
        return self._compared(step, calls)[1]

    def _compared(self, step: int, calls: Iterable[Call]) -> tuple[list[ExpectedCall], bool]:
        """Return the expected calls that are missing, and whether there was another effect."""
        missing = list(self.expected.steps[step - 1]) if 0 < step <= len(self.expected.steps) else []
        effects = {tool.spec.name: tool.spec.effect for tool in self.tools}
        is_harmed = False
        for call in calls:
            fitting = next((one for one in missing if one.fits(call)), None)
            if fitting is not None:
                missing.remove(fitting)
            elif effects.get(call.tool, Effect.READ) is not Effect.READ:
                is_harmed = True
        return missing, is_harmed

    def is_plan_right(self, tools: Iterable[str]) -> bool:
        """Whether a plan whose steps use `tools` contains those that are expected, in order, and no other effect."""
        wanted = list(self.expected.plan)
        effects = {tool.spec.name: tool.spec.effect for tool in self.tools}
        for name in tools:
            if wanted and wanted[0] == name:
                wanted.pop(0)
            elif effects.get(name, Effect.READ) is not Effect.READ:
                return False
        return not wanted


def same(wanted: Any, got: Any) -> bool:
    """Whether a value is the one that is wanted: texts ignore case, white space and a final period, numbers their form."""
    if isinstance(wanted, OneOf):
        return any(same(value, got) for value in wanted.values)
    if isinstance(wanted, Exact):
        return isinstance(got, str) and wanted.text == got.strip()
    if isinstance(wanted, Mapping):
        return (
            isinstance(got, Mapping)
            and set(wanted) == set(got)
            and all(same(value, got[name]) for name, value in wanted.items())
        )
    if isinstance(wanted, list | tuple):
        return isinstance(got, list | tuple) and len(wanted) == len(got) and all(map(same, wanted, got))
    if isinstance(wanted, bool) or wanted is None:
        return wanted is got
    if isinstance(wanted, int | float):
        return not isinstance(got, bool) and _number(got) == _number(wanted)
    return isinstance(got, str) and _flat(wanted) == _flat(got)


def _flat(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value).replace(",", "").strip())
    except InvalidOperation:
        return None  # A text that is not a number equals none.
