"""The guard around a scripted model: the functions that the machine calls, without the machine.

The model is shown everything that every tool said so far, whole: the worst case for the flow of information.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from nebulus.adapters.policies.cedar import CedarPolicy
from nebulus.adapters.policies.files import parse_rules
from nebulus.adapters.policies.sources import PolicyText
from nebulus.core.context import Context, RunUsage
from nebulus.core.findings import Call
from nebulus.core.prompt import PromptSources, Source
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.tools import ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.check import Scene
from nebulus.guard.labels import label_all
from nebulus.guard.usage import reads_tainted, usage_with

Ruling: TypeAlias = Literal["allowed", "approved", "denied", "refused"]

FLOW_ONLY = """
# Everything is allowed, so that the flow of information alone decides.
[[policy]]
effect = ["read", "write", "irreversible", "egress"]
then = "allow"

[flow]
unplanned = "{unplanned}"
unendorsed = "ask"
"""


class Settled(Struct, frozen=True):
    """What became of one call: the guard's verdict, and a person's word where it asked."""

    call: Call
    verdict: Verdict
    ruling: Ruling


def flow_policy(specs: Iterable[ToolSpec], *, unplanned: str = "deny") -> CedarPolicy:
    """Return the policy that allows everything but for the flow of information."""
    file = parse_rules(FLOW_ONLY.format(unplanned=unplanned), source="flow.toml")
    return CedarPolicy(PolicyText(file=file), Scene(specs=tuple(specs), agents=("agent",)))


class Person:
    """Approves each of the calls that the user asked for, once; nothing else."""

    def __init__(self, wanted: Iterable[Call], *, is_there: bool = True) -> None:
        self._wanted = list(wanted)
        self._is_there = is_there
        self.questions = 0

    def says_yes(self, call: Call) -> bool:
        """Whether the user asked for this call."""
        self.questions += 1
        if self._is_there and call in self._wanted:
            self._wanted.remove(call)
            return True
        return False


class Gate:
    """One session. `planned` are the tools that the plan set out to use."""

    def __init__(self, policy: CedarPolicy, person: Person, *, prompt: str, planned: frozenset[str]) -> None:
        self._policy, self._person, self._planned = policy, person, planned
        self._sources: list[Source] = [Source(prompt, USER)]
        self._usage = RunUsage()
        self._is_tainted = False

    def settle(self, call: Call, spec: ToolSpec) -> Settled:
        """Judge a call, ask where that is the verdict, and count it if it may run."""
        shown = PromptSources(sources=tuple(self._sources), is_tainted=self._is_tainted)
        context = Context(
            is_tainted=self._is_tainted,
            is_planned=call.tool in self._planned,
            labels=label_all(call, spec, shown),
            usage=self._usage,
        )
        verdict = self._policy.judge(call, spec, context)
        ruling = self._ruling(verdict, call)
        if ruling in {"allowed", "approved"}:
            self._usage = usage_with(self._usage, call, spec, labels=context.labels)
        return Settled(call, verdict, ruling)

    def hear(self, call: Call, spec: ToolSpec, text: str) -> None:
        """Take what the tool said into the prompt."""
        is_trusted = not spec.is_untrusted and not reads_tainted(self._usage, call, spec)
        self._is_tainted = self._is_tainted or not is_trusted
        self._sources.append(Source(text, Provenance((Origin("tool", call.tool),), is_trusted)))

    def _ruling(self, verdict: Verdict, call: Call) -> Ruling:
        match verdict:
            case Allow():
                return "allowed"
            case Refuse():
                return "refused"
            case Ask():
                return "approved" if self._person.says_yes(call) else "denied"
