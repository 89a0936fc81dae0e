"""The policy of a worker: that of who handed over, less what the contract does not give.

Invariant: it refuses whatever the inner policy refuses, and more; it allows nothing by itself.
"""

from nebulus.core.authority import Authority
from nebulus.core.context import Context
from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import SandboxLevel, ToolSpec
from nebulus.core.verdict import Ask, Refuse, Verdict
from nebulus.ports.guard import Policy

RULE = "contract"


class ScopedPolicy:
    """Decides the calls of a worker's run."""

    def __init__(self, inner: Policy, authority: Authority) -> None:
        self._inner, self._authority = inner, authority

    @property
    def digest(self) -> str:
        """The digest of the inner rules, and of what the contract gives."""
        given = self._authority
        return short_digest((self._inner.digest, given.tools, given.paths, given.chain))

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        """Refuse what the contract does not give; leave the rest to the inner policy.

        A question to a person names the whole chain of runs.
        """
        outside = self._outside(call, spec)
        if outside:
            return Refuse(RULE, outside)
        decided = self._inner.judge(call, spec, context)
        if not isinstance(decided, Ask):
            return decided
        chain = " > ".join(self._authority.chain)
        return Ask(decided.rule, f"{decided.reason}; asked by the worker {context.agent} ({chain})")

    def _outside(self, call: Call, spec: ToolSpec) -> str:
        """Say what of a call is outside of the contract, "" for nothing."""
        given = self._authority
        if call.tool not in given.tools:
            return f"the contract does not give {call.tool}"
        if not given.paths:
            return ""
        if spec.least_sandbox is not SandboxLevel.NONE:
            return f"the contract gives only {', '.join(given.paths)}, and {call.tool} reaches the whole workspace"
        for name in spec.paths:
            path = str(call.arguments.get(name) or ".")
            if not given.covers(path):
                return f"{path} is outside of what the contract gives ({', '.join(given.paths)})"
        return ""
