"""The two tools that end an open step: shown to the model together with the run's tools, and never run.

Invariant: a call of one is a claim, not an effect: it is compared with what was done like any other claim.
"""

from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.tools import ToolSpec


class EndingTools(Struct, frozen=True):
    """The tool that says that the goal is reached, and the one that says that it can't be.

    They are two, since a small model that was asked for one flag ("done") answered "false" where it meant "not yet".
    """

    finish: ToolSpec
    give_up: ToolSpec

    @property
    def specs(self) -> tuple[ToolSpec, ToolSpec]:
        """Both, in the order in which they are shown."""
        return self.finish, self.give_up

    def claim_of(self, call: Call) -> str | Finding | None:
        """Return what `call` claims; a finding if it gives up; None if it is a call of another tool."""
        if call.tool == self.finish.name:
            return " ".join(str(call.arguments.get("summary", "")).split()) or "it is done"
        if call.tool != self.give_up.name:
            return None
        return Finding(
            kind=FindingKind.GAVE_UP,
            rule="the model says that the goal can't be reached",
            value=" ".join(str(call.arguments.get("reason", "")).split())[:300],
            fix="try another way, or say again that it can't be done",
        )


def ending_tools(tools: Iterable[ToolSpec]) -> EndingTools:
    """Return the tools that end a step, with names that none of `tools` has."""
    return _named(frozenset(tool.name for tool in tools))


@lru_cache
def _named(taken: frozenset[str]) -> EndingTools:
    return EndingTools(
        ToolSpec(
            name=_free("finish", taken),
            description="End the work: all of the goal is done.",
            parameters=_text("summary", "one or two sentences: what was done or found"),
        ),
        ToolSpec(
            name=_free("give_up", taken),
            description="End the work: the goal can't be reached, whatever is tried.",
            parameters=_text("reason", "one sentence: why it can't be reached"),
        ),
    )


def _free(name: str, taken: frozenset[str]) -> str:
    while name in taken:
        name = f"{name}_work"
    return name


def _text(name: str, description: str) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": description}},
        "required": [name],
        "additionalProperties": False,
    }
