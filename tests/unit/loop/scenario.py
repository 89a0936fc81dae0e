"""Small runs to test the machine with: one tool of each effect, two tiers."""

import json
from typing import Any

from nebulus.core.answers import ModelAnswer, Usage
from nebulus.core.budget import Budget
from nebulus.core.events import GoalGiven, ModelAnswered
from nebulus.core.plan import Check, Goal, Plan, Step
from nebulus.core.tiers import Tier
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.machine import feed
from nebulus.loop.progress import Machine, Setup, new_machine
from nebulus.recovery.strategy import Limits

VALUE = {
    "type": "object",
    "properties": {"value": {"type": "string"}},
    "required": ["value"],
    "additionalProperties": False,
}
LOOK = ToolSpec(name="look", parameters=VALUE, effect=Effect.READ)
PUT = ToolSpec(name="put", parameters=VALUE, effect=Effect.WRITE)
DROP = ToolSpec(name="drop", parameters=VALUE, effect=Effect.IRREVERSIBLE)
TOOLS = (LOOK, PUT, DROP)
SMALL, LARGE = Tier(name="small", window_tokens=4096), Tier(name="large", window_tokens=32768)


def setup(
    *, tiers: tuple[Tier, ...] = (SMALL,), budget: Budget | None = None, limits: Limits | None = None
) -> Setup:
    """Return a setup over the tools above."""
    return Setup(tools=TOOLS, tiers=tiers, budget=budget or Budget(), limits=limits or Limits())


def step(number: int, text: str, *checks: Check) -> Step:
    """Return one step of a plan."""
    return Step(number=number, text=text, checks=checks)


def begun(*steps: Step, given: Setup | None = None, checks: tuple[Check, ...] = ()) -> Machine:
    """Return a machine that was given a goal with `steps` as its runbook."""
    goal = Goal(text="Get it done.", checks=checks)
    return feed(new_machine(given or setup()), GoalGiven(goal=goal, plan=Plan(steps), run_id="r"))


def called(tool: str, tier: str = "small", **arguments: Any) -> ModelAnswered:
    """Return an answer that calls `tool`."""
    call = json.dumps({"name": tool, "arguments": arguments})
    return said(f"<tool_call>\n{call}\n</tool_call>", tier)


def said(text: str, tier: str = "small") -> ModelAnswered:
    """Return an answer in words."""
    return ModelAnswered(tier=tier, answer=ModelAnswer(text=text, usage=Usage(100, 10)), took_s=0.5)
