"""Checks whether the call of a step contradicts what the step assigns, and decides what to do about a doubt.

Invariants: only a step that is exactly one call is checked; a contradiction is always rejected; a doubt is raised until
one attempt is left, and then accepted and recorded, unless the effect can't be undone.
"""

from msgspec import Struct

from nebulus.calls.heed import contradicted, doubted, unasked
from nebulus.core.findings import Call, Finding
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Task
from nebulus.loop.steps import still_required
from nebulus.memory.references import referenced, resolve

FIRM = frozenset({Effect.IRREVERSIBLE, Effect.EGRESS})
"""Effects that never happen while there is a doubt."""


class ArgumentCheck(Struct, frozen=True):
    """What contradicts a call, and the doubt that was accepted ("" for none)."""

    finding: Finding | None = None
    doubt: str = ""


def check_arguments(machine: Machine, task: Task, calls: tuple[Call, ...]) -> ArgumentCheck:
    """Compare the only call of a step with what the step assigns; any other step is not checked."""
    call, state = calls[0], machine.state
    is_single = len(calls) == 1 and still_required(machine, task) == (call.tool,)
    if not is_single or not machine.config.checks_arguments:
        return ArgumentCheck()
    tool, facts, text = machine.config.tool(call.tool), state.facts, state.step(task.step).text
    step, known = resolve(text, facts), referenced(text, facts)
    wanted = "\n".join((state.goal.text, *state.goal.constraints))
    wrong = contradicted(step, call, tool, known=known) or unasked(step, call, tool, beside=wanted)
    if wrong is not None:
        return ArgumentCheck(wrong)
    doubt = doubted(step, call, tool, known=known, beside=wanted)
    if doubt is not None:  # Rare, so only now are all facts searched for the value.
        beside = "\n".join((wanted, *(fact.value for fact in facts)))
        doubt = doubted(step, call, tool, known=known, beside=beside)
    if doubt is not None and _may_pass(machine, task, doubt, tool=tool):
        return ArgumentCheck(doubt=doubt.rule)
    return ArgumentCheck(doubt)


def _may_pass(machine: Machine, task: Task, doubt: Finding, *, tool: ToolSpec) -> bool:
    raised = sum(earlier.rule == doubt.rule for earlier in task.attempts.findings)
    return raised + 1 >= machine.config.limits.attempts and tool.effect not in FIRM
