"""Compares the call of a step with the arguments that the step gives, and decides what to do about a doubt.

Invariants: only a step that is exactly one call is checked; a call that differs from arguments given as data, or from
`name = "value"` in a step that names the tool, is rejected; a doubt is raised until one attempt is left, and then the call goes to
the guard with the doubt recorded; an optional argument that nothing asks for is only recorded. Nothing that is written
in prose rejects a call.
"""

from msgspec import Struct

from nebulus.calls.heed import contradicted, differing, doubted, is_code_name, unasked
from nebulus.core.findings import Call, Finding
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Task
from nebulus.loop.steps import still_required
from nebulus.memory.offer import named_tools
from nebulus.memory.references import referenced, resolve


class ArgumentCheck(Struct, frozen=True):
    """What is wrong with a call, and the doubt that was accepted ("" for none)."""

    finding: Finding | None = None
    doubt: str = ""


def check_arguments(machine: Machine, task: Task, calls: tuple[Call, ...]) -> ArgumentCheck:
    """Compare the only call of a step with what the step gives; any other step is not checked."""
    call, state = calls[0], machine.state
    is_single = len(calls) == 1 and still_required(machine, task) == (call.tool,)
    if not is_single or not machine.config.checks_arguments:
        return ArgumentCheck()
    tool, facts, step = machine.config.tool(call.tool), state.facts, state.step(task.step)
    if step.arguments:
        return ArgumentCheck(differing(call, step.arguments))
    if not named_tools(step.text, (tool,)):
        return ArgumentCheck()
    text, known = resolve(step.text, facts), referenced(step.text, facts)
    wrong = contradicted(text, call, tool, known=known)
    if wrong is not None or not is_code_name(tool.name):
        return ArgumentCheck(wrong)
    wanted = "\n".join((state.goal.text, *state.goal.constraints))
    doubt = doubted(text, call, tool, known=known, beside=wanted)
    if doubt is not None:  # Rare, so only now are all facts searched for the value.
        beside = "\n".join((wanted, *(fact.value for fact in facts)))
        doubt = doubted(text, call, tool, known=known, beside=beside)
    if doubt is not None and not _may_pass(machine, task, doubt):
        return ArgumentCheck(doubt)
    doubt = doubt or unasked(text, call, tool, beside=wanted)
    return ArgumentCheck(doubt=doubt.rule if doubt is not None else "")


def _may_pass(machine: Machine, task: Task, doubt: Finding) -> bool:
    """Whether every attempt but one was spent on this doubt: the guard decides about a call that is insisted on."""
    raised = sum(earlier.rule == doubt.rule for earlier in task.attempts.findings)
    return raised + 1 >= machine.config.limits.attempts
