"""A plan that a model proposes: its schema, and the parser that accepts it or says what is wrong."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.core.answers import FinishReason, ModelAnswer
from nebulus.core.findings import Finding, FindingKind
from nebulus.core.plan import Plan, Step, ToolSucceeded
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.memory.extract import unfenced

MOST_STEPS = 64


class _ProposedStep(Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    tool: str


class _ProposedPlan(Struct, frozen=True, forbid_unknown_fields=True):
    steps: list[_ProposedStep]


def plan_schema(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """Return the JSON Schema of a plan over `tools`: 1 to 64 steps, each one tool and what to do with it."""
    step = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1},
            "tool": {"enum": [tool.name for tool in tools]},
        },
        "required": ["text", "tool"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": step, "minItems": 1, "maxItems": MOST_STEPS}},
        "required": ["steps"],
        "additionalProperties": False,
    }


def read_plan(answer: ModelAnswer, tools: Sequence[ToolSpec], *, tier: str) -> Plan | Finding:
    """Return the plan that `answer` proposes, or the one thing that is wrong with it."""
    if answer.finish is FinishReason.LENGTH:
        return _bad("the plan was cut at the token limit", fix="answer with fewer, shorter steps")
    try:
        proposed = msgspec.json.decode(unfenced(answer.text), type=_ProposedPlan)
    except UNREADABLE as error:
        return _bad(f"the plan is not JSON of the requested shape: {error}", value=answer.text[:80])
    if not 1 <= len(proposed.steps) <= MOST_STEPS:
        return _bad(f"a plan has 1 to {MOST_STEPS} steps", value=str(len(proposed.steps)), where="/steps")
    known = {tool.name for tool in tools}
    for index, step in enumerate(proposed.steps):
        if step.tool not in known:
            fix = f"use one of {', '.join(sorted(known))}"
            return _bad(
                "a step names a tool that is not offered",
                value=step.tool,
                where=f"/steps/{index}/tool",
                fix=fix,
            )
        if not step.text.strip():
            return _bad("a step is empty", where=f"/steps/{index}/text")
    return Plan(
        tuple(
            Step(
                number=number, text=step.text.strip(), tools=(step.tool,), checks=(ToolSucceeded(step.tool),)
            )
            for number, step in enumerate(proposed.steps, start=1)
        ),
        origin=f"tier {tier}",
    )


def _bad(rule: str, *, where: str = "", value: str = "", fix: str = "") -> Finding:
    return Finding(kind=FindingKind.BAD_PLAN, rule=rule, where=where, value=value, fix=fix)
