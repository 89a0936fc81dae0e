"""The policy that applies if none is given.

Reading inside the workspace is allowed, and so is writing where the user said or where no text from outside was read;
what can't be undone needs a person's approval, and everything else is refused.
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


UNENDORSED_WRITE = "default.write.unendorsed"


class DefaultPolicy:
    """The table above as a policy."""

    @property
    def digest(self) -> str:
        """The digest of the table, so that a changed one is noticed."""
        table = sorted((effect.value, verdict) for effect, verdict in RULES.items())
        return short_digest([*table, UNENDORSED_WRITE])

    def judge(self, call: Call, spec: ToolSpec, context: Context = NOTHING_KNOWN) -> Verdict:
        """Decide by the tool's effect; a call of a tool other than `spec` is refused.

        The reason of a question includes concerns about text from outside. After such text, a write whose place the user
        did not name is a person's to allow: no plan says where, so only a document may want it there.
        """
        if call.tool != spec.name:
            return Refuse("default.deny", f"{call.tool!r} is not the tool that was judged")
        decided = RULES.get(spec.effect, Refuse("default.deny", "no rule allows it"))
        flow = flow_of(call, spec, context)
        why = concern(flow)
        if spec.effect is Effect.WRITE and flow.is_tainted and flow.foreign:
            return Ask(UNENDORSED_WRITE, why)
        if not isinstance(decided, Ask):
            return decided
        return Ask(decided.rule, f"{decided.reason}; {why}") if why else decided
