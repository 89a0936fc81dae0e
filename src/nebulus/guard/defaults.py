"""The policy that applies if none is given.

Reading inside the workspace is allowed, and so is writing where the user said or where no text from outside was read;
what can't be undone needs a person's approval, and everything else is refused.
"""

from collections.abc import Mapping
from types import MappingProxyType

from nebulus.core.context import Context
from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.flow import concern, flow_of

NOTHING_KNOWN = Context()

RULES: Mapping[Effect, Verdict] = {
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


UNENDORSED_WRITE = "default.write.unendorsed"


class DefaultPolicy:
    """The table above as a policy."""

    rules: Mapping[Effect, Verdict] = RULES

    @property
    def digest(self) -> str:
        """The digest of the table, so that a changed one is noticed."""
        table = sorted((effect.value, verdict) for effect, verdict in self.rules.items())
        return short_digest([*table, UNENDORSED_WRITE])

    def judge(self, call: Call, spec: ToolSpec, context: Context = NOTHING_KNOWN) -> Verdict:
        """Decide by the tool's effect; a call of a tool other than `spec` is refused.

        Handing over to a worker is allowed: whatever its run does is judged there. The reason of a question includes
        concerns about text from outside. After such text, a write whose place the user did not name is a person's to
        allow: no plan says where, so only a document may want it there.
        """
        if call.tool != spec.name:
            return Refuse("default.deny", f"{call.tool!r} is not the tool that was judged")
        if spec.is_worker:
            return Allow("default.worker")
        decided = self.rules.get(spec.effect, Refuse("default.deny", "no rule allows it"))
        flow = flow_of(call, spec, context)
        why = concern(flow)
        if isinstance(decided, Allow) and spec.effect is Effect.WRITE and flow.is_tainted and flow.foreign:
            return Ask(UNENDORSED_WRITE, why)
        if not isinstance(decided, Ask):
            return decided
        reason = _ASSUMED if spec.effect is Effect.IRREVERSIBLE and spec.is_effect_assumed else decided.reason
        return Ask(decided.rule, f"{reason}; {why}" if why else reason)


class ConversationPolicy(DefaultPolicy):
    """The same for a conversation, where somebody is there to be asked: a change of a file needs their yes, too.

    Whoever asks a question wants no file changed, and small models write where they should only look.
    """

    rules: Mapping[Effect, Verdict] = MappingProxyType(
        {**RULES, Effect.WRITE: Ask("conversation.write", "it changes something")}
    )
