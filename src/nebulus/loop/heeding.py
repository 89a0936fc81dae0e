"""Whether the call of a step goes against the step's own words, and what is done about a doubt.

Laws: only a step that is exactly one call is held to its words; a contradiction is never let be; a doubt is
raised until one attempt is left, and then let be and written down, unless the effect can't be undone.
"""

from msgspec import Struct

from nebulus.calls.heed import contradicted, doubted, unasked
from nebulus.core.findings import Call, Finding
from nebulus.core.tools import Effect, ToolSpec
from nebulus.loop.progress import Machine
from nebulus.loop.turn import missing_calls
from nebulus.memory.references import referenced, resolve

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
    step, known = resolve(state.step.text, facts), referenced(state.step.text, facts)
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
