"""Compares the call of a step with the arguments that the step gives, and decides what to do about a doubt.

Invariants: only a step that is exactly one call is checked; a call that differs from arguments given as data, or from
`name = "value"` in a step that names the tool, is rejected; a doubt is raised until one attempt is left, and then the call goes to
the guard with the doubt recorded; an optional argument that nothing asks for is only recorded. Nothing that is written
in prose rejects a call.
"""

from msgspec import Struct
from msgspec.structs import replace

from nebulus.calls.heed import contradicted, differing, doubted, is_code_name, unasked
from nebulus.core.digest import canonical
from nebulus.core.findings import Finding
from nebulus.loop.given import ResolvedCall, fixed_references
from nebulus.loop.machine import Machine
from nebulus.loop.phases import Task
from nebulus.loop.steps import still_required
from nebulus.memory.look import as_text
from nebulus.memory.offer import named_tools
from nebulus.memory.references import INLINE_CHARS, referenced, resolve, unresolved


class ArgumentCheck(Struct, frozen=True):
    """What is wrong with a call, and the doubt that was accepted ("" for none)."""

    finding: Finding | None = None
    doubt: str = ""


def check_arguments(machine: Machine, task: Task, calls: tuple[ResolvedCall, ...]) -> ArgumentCheck:
    """Compare the only call of a step with what the step gives; any other step is not checked.

    Arguments that the step gives by reference were compared when the call was resolved.
    """
    call, state = calls[0].call, machine.state
    is_single = len(calls) == 1 and still_required(machine, task) == (call.tool,)
    if not is_single or not machine.config.checks_arguments:
        return ArgumentCheck()
    tool, facts, step = machine.config.tool(call.tool), state.facts, state.step(task.step)
    if step.arguments:
        fixed = fixed_references(machine, task.step, tool)
        given = {name: value for name, value in step.arguments.items() if name not in fixed}
        return ArgumentCheck(differing(call, given))
    if not named_tools(step.text, (tool,)):
        return ArgumentCheck()
    sources = _sources(machine, task, calls[0])
    others = [fact for fact in facts if f"step {fact.step}" not in sources.values()]
    text, known = resolve(step.text, others), referenced(step.text, others)
    left = unresolved(step.text, others) if sources else ()
    words = {f"step {mention.step}": mention.words for mention in left}
    said = {name: words.get(source) or _short(calls[0], name) for name, source in sources.items()}
    call, known = replace(call, arguments={**call.arguments, **said}), known | set(words.values())
    wrong = contradicted(text, call, tool, known=known)
    if wrong is not None or not is_code_name(tool.name):
        return ArgumentCheck(wrong)
    wanted = "\n".join((state.goal.text, *state.goal.constraints))
    doubt = doubted(text, call, tool, known=known, beside=wanted)
    if doubt is not None:  # Rare, so only now are all facts searched for the value.
        beside = "\n".join(
            (wanted, *(given.value for given in state.goal.inputs), *(fact.value for fact in facts))
        )
        doubt = doubted(text, call, tool, known=known, beside=beside)
    if doubt is not None and not _may_pass(machine, task, doubt):
        return ArgumentCheck(doubt)
    doubt = doubt or unasked(text, call, tool, beside=wanted)
    return ArgumentCheck(doubt=doubt.rule if doubt is not None else "")


def _sources(machine: Machine, task: Task, given: ResolvedCall) -> dict[str, str]:
    """Return what the step or the call gives by reference: the name of the result, by argument.

    Such a result is not written into the text, so that both can be compared by what they call it.
    """
    fixed = fixed_references(machine, task.step, machine.config.tool(given.call.tool))
    sources = {name: reference.source for name, reference in fixed.items() if name in given.call.arguments}
    return sources | {name: result.source for name, result in given.results.items()}


def _short(given: ResolvedCall, name: str) -> str:
    """The real value of an argument, or, where it is long, its reference."""
    real = as_text(given.real[name])
    return real if len(real) <= INLINE_CHARS else canonical(given.call.arguments[name]).decode()


def _may_pass(machine: Machine, task: Task, doubt: Finding) -> bool:
    """Whether every attempt but one was spent on this doubt: the guard decides about a call that is insisted on."""
    raised = sum(earlier.rule == doubt.rule for earlier in task.attempts.findings)
    return raised + 1 >= machine.config.limits.attempts
