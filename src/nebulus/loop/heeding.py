"""Whether the call of a step goes against the step's own words, and what is done about a doubt.

Laws: no step is begun that needs a value which nobody has; only a step that is exactly one call is held to its words; a contradiction is never let be; a doubt is
raised until one attempt is left, and then let be and written down, unless the effect can't be undone.
"""

from msgspec import Struct

from nebulus.calls.heed import contradicted, doubted, unasked
from nebulus.core.failure import Failure, FailureKind, Fault
from nebulus.core.findings import Call, Finding
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.progress import Machine
from nebulus.loop.turn import missing_calls
from nebulus.memory.references import mentioned_fields, referenced, resolve

FIRM = frozenset({Effect.IRREVERSIBLE, Effect.EGRESS})
"""Effects that are not brought about in doubt."""


class Heeded(Struct, frozen=True):
    """What stands against a call, and the doubt that it is made in spite of ("" for none)."""

    finding: Finding | None = None
    doubt: str = ""


def heeded(machine: Machine, calls: tuple[Call, ...]) -> Heeded:
    """Return how the only call of a step stands to the step's words; nothing against it for any other step."""
    call, state = calls[0], machine.state
    if len(calls) > 1 or missing_calls(machine) != (call.tool,) or not machine.setup.heeds_steps:
        return Heeded()
    tool, facts = machine.setup.tool(call.tool), state.facts
    step, known = resolve(machine.step.text, facts), referenced(machine.step.text, facts)
    wanted = "\n".join((state.goal.text, *state.goal.constraints))
    wrong = contradicted(step, call, tool, known=known) or unasked(step, call, tool, beside=wanted)
    if wrong is not None:
        return Heeded(wrong)
    beside = "\n".join((wanted, *(fact.value for fact in facts)))
    doubt = doubted(step, call, tool, known=known, beside=beside)
    if doubt is not None and _is_let_be(machine, doubt, tool):
        return Heeded(doubt=doubt.rule)
    return Heeded(doubt)


def _is_let_be(machine: Machine, doubt: Finding, tool: ToolSpec) -> bool:
    raised = sum(earlier.rule == doubt.rule for earlier in machine.tries.findings)
    return raised + 1 >= machine.setup.limits.attempts and tool.effect not in FIRM


def lost_value(machine: Machine) -> Failure | None:
    """Return the failure of an active step that asks for the result of a step whose answer was lost.

    No model can know it; what it would give instead would be made up.
    """
    state = machine.state
    known = {fact.step for fact in state.facts} | {artifact.step for artifact in state.artifacts}
    lost = {deed.step for deed in machine.deeds if deed.is_lost} - known
    wanted = sorted((step, field) for step, field in mentioned_fields(machine.step.text) if step in lost)
    if not wanted:
        return None
    step, field = wanted[0]
    return Failure(
        kind=FailureKind.UNKNOWN_OUTCOME,
        fault=Fault.TOOL,
        what=f"step {machine.active} needs the {field or 'result'} of step {step}, and that answer was lost",
        value=f"step {step} took effect; what it gave back is not known",
        fix="find the value out, write it into the step in place of the mention, and resume",
    )
