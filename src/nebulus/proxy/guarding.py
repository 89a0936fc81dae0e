"""Judges the calls that go out to a client, by the policy and by what its conversation shows.

Invariants: everything that is known comes from the request itself, so conversations can't mix; an error while deciding
is a refusal; nobody can be asked here, so a call that needs a person's yes is refused.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from nebulus.app.serve_settings import ClientTool
from nebulus.core.answers import Message, RawCall
from nebulus.core.context import Context, RunUsage
from nebulus.core.errors import ConfigError
from nebulus.core.failure import Failure
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.history import CallHistory
from nebulus.core.prompt import PromptSources, Source
from nebulus.core.provenance import USER, Origin, Provenance
from nebulus.core.text import bounded
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.labels import label_all
from nebulus.guard.usage import usage_with
from nebulus.ports.guard import Policy, Workspace
from nebulus.proxy.asked import ClientRequest
from nebulus.recovery.stagnation import recorded, repeated, with_record
from nebulus.runtime.judge import canonical_paths

AGENT = "client"
"""The name under which rules know whoever proposes calls here."""
TOOL_SETS = 64
"""How many sets of tools are remembered with the policy that was compiled for them."""
SAME_CALLS = 4
"""So often a call that had brought nothing new may bring nothing new again; the next one is a loop."""
_UNDECLARED = ClientTool()
_VALUE_CHARS = 200


class CallGuard:
    """Judges calls. Without a policy, only loops are found: clients ask their own users."""

    def __init__(
        self,
        tools: Mapping[str, ClientTool] | None = None,
        *,
        policy_for: Callable[[tuple[ToolSpec, ...]], Policy] | None = None,
        workspace: Workspace | None = None,
    ) -> None:
        self._declared = dict(tools or {})
        self._policy_for = (
            lru_cache(maxsize=TOOL_SETS)(lambda key: policy_for(_specs(key))) if policy_for else None
        )
        self._workspace = workspace

    def declared(self, asked: ClientRequest) -> ClientRequest:
        """Return `asked` with what is declared of its tools."""
        return replace(asked, tools=tuple(self._spec(tool) for tool in asked.tools))

    def _spec(self, tool: ToolSpec) -> ToolSpec:
        known = self._declared.get(tool.name, _UNDECLARED)
        return replace(
            tool,
            effect=known.effect,
            is_untrusted=known.is_untrusted,
            paths=known.paths,
            hosts=known.hosts,
        )

    def finding(self, calls: tuple[Call, ...], asked: ClientRequest, *, tier: str) -> Finding | None:
        """Return why `calls` must not go to the client, None if they may; the first reason counts for all."""
        specs = {tool.name: tool for tool in asked.tools}
        for call in calls:
            why = _repeats(call, asked.messages)
            if why:
                fix = "make another call, or answer in words"
                return Finding(
                    kind=FindingKind.NO_PROGRESS, rule=why, tool=call.tool, value=_shown(call), fix=fix
                )
        if self._policy_for is None:
            return None
        policy = self._policy_for(msgspec.json.encode(asked.tools))
        sources = _sources(asked, specs, tier)
        usage = _usage(asked.messages, specs)
        for call in calls:
            verdict = self._verdict(call, specs[call.tool], policy, sources=sources, usage=usage)
            if not isinstance(verdict, Allow):
                return _refused(call, verdict)
            usage = usage_with(usage, call, specs[call.tool], labels=())
        return None

    def _verdict(
        self, call: Call, spec: ToolSpec, policy: Policy, *, sources: PromptSources, usage: RunUsage
    ) -> Verdict:
        paths = canonical_paths(call, spec, self._workspace)
        if isinstance(paths, Failure):
            return Refuse("workspace", paths.sentence())
        labels = label_all(call, spec, sources)
        context = Context(
            agent=AGENT, tier=sources.tier, is_tainted=sources.is_tainted, labels=labels, usage=usage
        )
        try:
            return policy.judge(Call(call.tool, {**call.arguments, **paths}), spec, context)
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke, the call is refused, and the answer says why
            why = f"the policy could not decide: {type(error).__name__}: {error}"
            return Refuse("guard.error", bounded(why, 400))


def _specs(key: bytes) -> tuple[ToolSpec, ...]:
    return msgspec.json.decode(key, type=tuple[ToolSpec, ...])


def _refused(call: Call, verdict: Ask | Refuse) -> Finding:
    """Return a refusal for the model, and in the end for the client."""
    needs = (
        "" if isinstance(verdict, Refuse) else "; it needs a person's approval, which can't be asked for here"
    )
    return Finding(
        kind=FindingKind.REFUSED,
        rule=f"the policy does not allow this call of {call.tool}: {verdict.reason}{needs} (rule {verdict.rule})",
        tool=call.tool,
        fix="do it in another way that is allowed, or say what is not allowed",
    )


def _sources(asked: ClientRequest, specs: Mapping[str, ToolSpec], tier: str) -> PromptSources:
    """Return what the model was shown: the words of the client are trusted, results as their tools are declared."""
    tools = {call.call_id: call.name for message in asked.messages for call in message.calls}
    sources: list[Source] = []
    is_tainted = False
    for message in asked.messages:
        if message.role != "tool":
            if message.role != "assistant":
                sources.append(Source(message.content, USER))
            continue
        name = tools.get(message.call_id, "")
        is_trusted = not (name in specs and specs[name].is_untrusted)
        is_tainted = is_tainted or not is_trusted
        origin = Provenance((Origin("tool", name, message.call_id),), is_trusted=is_trusted)
        sources.append(Source(message.content, origin))
    return PromptSources(sources=tuple(sources), is_tainted=is_tainted, tier=tier)


def _made(messages: tuple[Message, ...]) -> list[tuple[RawCall, str]]:
    """Return the calls of a history with their results, oldest first."""
    results = {message.call_id: message.content for message in messages if message.role == "tool"}
    return [(call, results.get(call.call_id, "")) for message in messages for call in message.calls]


def _call(raw: RawCall) -> Call | None:
    try:
        return Call(raw.name, msgspec.json.decode(raw.arguments, type=dict))
    except UNREADABLE:
        return None  # what can't be read was never run by us


def _usage(messages: tuple[Message, ...], specs: Mapping[str, ToolSpec]) -> RunUsage:
    """Return what the conversation has done so far, as far as its tools are still offered."""
    usage = RunUsage()
    for raw, _ in _made(messages):
        call = _call(raw)
        if call is not None and raw.name in specs:
            usage = usage_with(usage, call, specs[raw.name], labels=())
    return usage


def _repeats(call: Call, messages: tuple[Message, ...]) -> str:
    """Return why `call` would give nothing new, "" if it might.

    Nobody says which tools change the world, so every call that brought something new may have.
    """
    made = _made(messages)
    sign = _sign(call)
    if not any(
        raw.name == call.tool
        and sign in raw.arguments
        and (known := _call(raw)) is not None
        and known.arguments == call.arguments
        for raw, _ in made
    ):
        return ""
    history, seen = CallHistory(), set()
    for raw, result in made:
        known = _call(raw) or Call(raw.name, {"unreadable": raw.arguments})
        spec = ToolSpec(name=raw.name)
        record = recorded(known, spec, step=0, result=result, history=history)
        history = with_record(history, record)
        news = (record.call_digest, record.result_digest)
        if news not in seen:
            seen.add(news)
            history = replace(history, changes=history.changes + 1)
    return repeated(history, call.tool, call.arguments, same_calls=SAME_CALLS)


def _sign(call: Call) -> str:
    """Return a text that is in the JSON of every call like this one, however it is written."""
    values = [value for value in call.arguments.values() if isinstance(value, str) and value.isalnum()]
    return max((value for value in values if value.isascii()), key=len, default="")


def _shown(call: Call) -> str:
    return bounded(msgspec.json.encode(call.arguments).decode(), _VALUE_CHARS)
