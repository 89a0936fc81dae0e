"""The policy that applies if none is given.

Reading and writing inside the workspace is allowed, what can't be undone needs a person's approval, and everything
else is refused.
"""

from nebulus.core.context import Context
from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.flow import concern, flow_of

NOTHING_KNOWN = Context()

RULES: dict[Effect, Verdict] = {
    Effect.READ: Allow("default.read"),
    Effect.WRITE: Allow("default.write"),
    Effect.IRREVERSIBLE: Ask("default.irreversible", "it can't be undone"),
    Effect.EGRESS: Refuse(
        "default.egress", "nothing may leave the workspace without a policy that allows it"
    ),
}
_ASSUMED = (
    'the tool declares no effect, so it counts as irreversible; @tool(effect="read") declares one that only reads, '
    'effect="write" one whose changes can be undone'
)


class DefaultPolicy:
    """The table above as a policy."""

    @property
    def digest(self) -> str:
        """The digest of the table, so that a changed one is noticed."""
        return short_digest(sorted((effect.value, verdict) for effect, verdict in RULES.items()))

    def judge(self, call: Call, spec: ToolSpec, context: Context = NOTHING_KNOWN) -> Verdict:
        """Decide by the tool's effect; a call of a tool other than `spec` is refused.

        The reason of a question includes concerns about text from outside.
        """
        if call.tool != spec.name:
            return Refuse("default.deny", f"{call.tool!r} is not the tool that was judged")
        decided = RULES.get(spec.effect, Refuse("default.deny", "no rule allows it"))
        if not isinstance(decided, Ask):
            return decided
        reason = _ASSUMED if spec.is_effect_assumed else decided.reason
        why = concern(flow_of(call, spec, context))
        return Ask(decided.rule, f"{reason}; {why}" if why else reason)
