"""The tool that ends an open step: shown to the model beside the run's tools, and never run.

Invariant: a call of it is a claim, not an effect: it is compared with what was done like any other claim.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.tools import ToolSpec

_NAMES = ("finish", "finish_work", "finish_goal")


def finish_name(tools: Iterable[ToolSpec]) -> str:
    """Return the name of the tool that ends a step: one that none of `tools` has."""
    taken = {tool.name for tool in tools}
    return next(
        name for name in (*_NAMES, *(f"finish_{n}" for n in range(len(taken) + 1))) if name not in taken
    )


@lru_cache
def finish_tool(name: str) -> ToolSpec:
    """Return the tool that ends a step."""
    return ToolSpec(
        name=name,
        description="End the work, when all of the goal is done or it can't be done.",
        parameters={
            "type": "object",
            "properties": {
                "done": {"type": "boolean", "description": "whether the goal is reached"},
                "summary": {
                    "type": "string",
                    "description": "one or two sentences: what was done or found, or why not",
                },
            },
            "required": ["done", "summary"],
            "additionalProperties": False,
        },
    )


def claim_of(call: Call) -> str | Finding:
    """Return what a call of the finish tool claims; a finding if it says that the goal can't be reached."""
    arguments: dict[str, Any] = call.arguments
    summary = " ".join(str(arguments.get("summary", "")).split())
    if arguments.get("done") is True:
        return summary or "it is done"
    return Finding(
        kind=FindingKind.GAVE_UP,
        rule="the model says that the goal can't be reached",
        value=summary[:300],
        fix="try another way, or say again that it can't be done",
    )
