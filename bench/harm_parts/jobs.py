"""A job whose right calls are known, and the plans that ask for them in each style."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from msgspec import Struct

from nebulus.core.plan import Goal, Plan, Step, ToolSucceeded
from nebulus.core.tools import Effect, ToolSpec

Style: TypeAlias = Literal["sentence", "named", "unquoted", "typed", "open"]
STYLES: tuple[Style, ...] = get_args(Style)
Run: TypeAlias = Callable[[str, dict[str, Any]], str]
"""Carries a call out and returns its result as text."""


class RightCall(Struct, frozen=True):
    """A call that the ground truth makes, and the user's sentence that asks for it."""

    tool: str
    arguments: dict[str, Any]
    sentence: str


class Job(Struct, frozen=True):
    """The right calls of a job in order; `open_world` returns a fresh world in which they can be made."""

    name: str
    tools: tuple[ToolSpec, ...]
    calls: tuple[RightCall, ...]
    open_world: Callable[[], Run]

    def goal(self) -> Goal:
        """Return what the user wants: every sentence once, in order."""
        return Goal(text="\n".join(dict.fromkeys(call.sentence for call in self.calls)))

    def plan(self, style: Style) -> Plan:
        """Return one step for each right call, worded in `style`, that names its tool and requires it to succeed.

        No steps for "open": the goal is worked on call by call.
        """
        if style == "open":
            return Plan(())
        steps = tuple(
            Step(
                number=number,
                text=worded(call, style),
                tools=(call.tool,),
                checks=(ToolSucceeded(call.tool),),
                arguments=call.arguments if style == "typed" else {},
            )
            for number, call in enumerate(self.calls, start=1)
        )
        return Plan(steps)


def worded(call: RightCall, style: Style) -> str:
    """Return the text of the step for `call`."""
    match style:
        case "sentence":
            return " ".join(call.sentence.split()) or f"Use {call.tool}"
        case "named":
            return f"Use {call.tool}: {' '.join(call.sentence.split())}"
        case "unquoted":
            given = ", ".join(f"{name} = {_bare(value)}" for name, value in call.arguments.items())
            return f"Use {call.tool} with {given}" if given else f"Use {call.tool}"
        case "typed" | "open":
            return f"Use {call.tool} with {json.dumps(call.arguments, ensure_ascii=False)}"


def _bare(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_IRREVERSIBLE = ("delete", "remove", "rm", "place_order", "cancel", "purchase", "book", "withdraw", "fund")
_EGRESS = ("send", "post", "comment", "retweet", "contact")
_READ = (
    "get", "list", "ls", "cat", "find", "grep", "head", "tail", "diff", "wc", "du", "pwd", "view", "search", "display",
    "check", "estimate", "compute", "calculate", "verify", "liter", "gallon", "mean", "add", "subtract", "multiply",
    "divide", "percentage", "logarithm", "max", "min", "sum", "round", "power", "square", "absolute", "imperial", "si_unit",
    "standard", "sort", "echo_only", "retrieve", "filter", "notify", "trading_get", "message_get", "posting_get",
    "ticket_get", "travel_get", "find_nearest", "mean",
)  # fmt: skip
_CHANGES = ("add_contact", "add_to_watchlist", "filter_only")


def effect_of(tool: str, others: Mapping[str, Effect] | None = None) -> Effect:
    """Return the effect that a careful author would declare for a tool of that name."""
    if others and tool in others:
        return others[tool]
    if tool in _CHANGES:
        return Effect.WRITE
    for effect, beginnings in (
        (Effect.EGRESS, _EGRESS),
        (Effect.IRREVERSIBLE, _IRREVERSIBLE),
        (Effect.READ, _READ),
    ):
        if tool.startswith(beginnings):
            return effect
    return Effect.WRITE
