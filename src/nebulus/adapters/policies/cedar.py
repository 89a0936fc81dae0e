"""The policy that decides: one Cedar policy set, made from a person's rules.

Invariants: a call is allowed only if Cedar says Allow, reports no error, and took the request against the
schema of the tools; everything else is a refusal. What would be allowed if a person confirmed it is asked.

Source: docs.cedarpolicy.com; without a schema a policy that errs is skipped, which fails open.
"""

from collections.abc import Sequence
from typing import Any

import cedarpy
import msgspec
from msgspec import Struct

from nebulus.adapters.policies.sources import Policy, PolicyText, collect, policy_set
from nebulus.core.context import Context
from nebulus.core.digest import short_digest
from nebulus.core.findings import Call
from nebulus.core.tools import ToolSpec
from nebulus.core.verdict import Allow, Ask, Refuse, Verdict
from nebulus.guard.check import Scene
from nebulus.guard.compile import CONFIRMED, DOCUMENT, UNENDORSED, accepts_of
from nebulus.guard.flow import Flow, concern, flow_of
from nebulus.guard.needs import needed, pruned
from nebulus.guard.request import View, request_context
from nebulus.guard.schema import Cedar

DENY = "default.deny"
UNCLEAR = "guard.unclear"
_encoder = msgspec.json.Encoder()


class Pass(Struct, frozen=True, kw_only=True):
    """What Cedar said of one request: the policies that decided, in the order of the set."""

    is_allowed: bool
    policies: tuple[Policy, ...] = ()
    errors: tuple[str, ...] = ()


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a verdict is what it is: both passes, the request that they saw, and the flow of information."""

    verdict: Verdict
    unconfirmed: Pass
    confirmed: Pass
    request: dict[str, Any]
    flow: Flow


class CedarPolicy:
    """Decides calls of the tools of `scene` by `text`.

    Raises:
        ConfigError: the policy can't be used: it is malformed, names something that does not exist, or can never match.
    """

    def __init__(self, text: PolicyText, scene: Scene) -> None:
        self._specs = {spec.name: spec for spec in scene.specs}
        self._policies, clauses, self._schema = collect(text, scene)
        self._by_id = {policy.policy_id: policy for policy in self._policies}
        self._order = {policy_id: index for index, policy_id in enumerate(self._by_id)}
        self._set = policy_set(self._policies)
        needs = needed((policy.body for policy in self._policies), self._schema)
        self._view = View(tools=tuple(self._specs), clauses=clauses, needs=needs)
        seen = pruned(self._schema, needs)
        self._seen = cedarpy.Schema.from_json_str(msgspec.json.encode(seen).decode())
        self._actions = cedarpy.Entities.from_json_str("[]", seen)
        self._accepts = accepts_of(text.file.accepts)
        self._digest = short_digest(
            (
                [(policy.policy_id, policy.body) for policy in self._policies],
                [clause.key for clause in clauses],
                [str(accept) for accept in self._accepts],
                self._schema,
            )
        )

    @property
    def digest(self) -> str:
        """Names the policy set, its clauses and its schema."""
        return self._digest

    @property
    def policies(self) -> Sequence[Policy]:
        """Everything that decides, in order; built-in policies come first."""
        return self._policies

    @property
    def schema(self) -> Cedar:
        """What a policy can name, as a Cedar schema in JSON."""
        return self._schema

    def judge(self, call: Call, spec: ToolSpec, context: Context) -> Verdict:
        """Decide one call whose paths are canonical."""
        known = self._specs.get(call.tool)
        if known is not spec and known != spec:
            return Refuse(DENY, f"{call.tool!r} is not a tool that this policy was checked against")
        flow = flow_of(call, spec, context, accepts=self._accepts)
        try:
            request = self._request(call, spec, context, flow=flow)
        except (ValueError, TypeError) as error:
            return Refuse(UNCLEAR, f"the call can't be judged: {error}")
        first = self._decide(call, request, agent=context.agent)
        if first.is_allowed:
            return Allow(_rule(first))
        return _verdict(
            spec, first, second=self._decide(call, _confirmed(request), agent=context.agent), flow=flow
        )

    def explain(self, call: Call, spec: ToolSpec, context: Context) -> Explanation:
        """Return the verdict on a call with everything that led to it.

        Raises:
            ValueError, TypeError: the call can't be expressed as a request to the policy.
        """
        flow = flow_of(call, spec, context, accepts=self._accepts)
        request = self._request(call, spec, context, flow=flow)
        first, second = (
            self._decide(call, request, agent=context.agent),
            self._decide(call, _confirmed(request), agent=context.agent),
        )
        verdict = self.judge(call, spec, context)
        return Explanation(verdict=verdict, unconfirmed=first, confirmed=second, request=request, flow=flow)

    def _request(self, call: Call, spec: ToolSpec, context: Context, *, flow: Flow) -> dict[str, Any]:
        return request_context(call, spec, context, flow=flow, view=self._view)

    def _decide(self, call: Call, request: dict[str, Any], *, agent: str) -> Pass:
        asked = {
            "principal": {"type": "Agent", "id": agent},
            "action": {"type": "Action", "id": call.tool},
            "resource": {"type": "Tool", "id": call.tool},
            "context": _encoder.encode(request).decode(),
        }
        said = cedarpy.is_authorized(asked, self._set, self._actions, self._seen)
        ids = sorted(said.diagnostics.reasons, key=lambda policy_id: self._order[policy_id])
        return Pass(
            is_allowed=said.decision is cedarpy.Decision.Allow and not said.diagnostics.errors,
            policies=tuple(self._by_id[policy_id] for policy_id in ids),
            errors=tuple(said.diagnostics.errors),
        )


def _confirmed(request: dict[str, Any]) -> dict[str, Any]:
    return {**request, "confirmed": True}


def _verdict(spec: ToolSpec, first: Pass, *, second: Pass, flow: Flow) -> Verdict:
    """Return what to do with a call that is not simply allowed."""
    if first.errors or second.errors:
        return Refuse(UNCLEAR, f"the call can't be judged: {(first.errors or second.errors)[0]}")
    if second.is_allowed:
        asking = first if first.policies else second
        return Ask(_rule(asking), _reason(asking, flow))
    if second.policies:
        return Refuse(_rule(second), _reason(second, flow))
    waiting = f", not even {_rule(first)}" if first.policies else ""
    return Refuse(DENY, f"no rule allows {spec.name} ({spec.effect.value}){waiting}")


def _rule(decided: Pass) -> str:
    return decided.policies[0].rule if decided.policies else DENY


def _reason(decided: Pass, flow: Flow) -> str:
    """Return every reason once; where information flow decided, with the values and where they come from."""
    reasons = []
    for policy in decided.policies:
        is_flow = policy.policy_id in {DOCUMENT, UNENDORSED}
        reasons.append((concern(flow) if is_flow else "") or policy.reason or f"see {policy.place}")
    return "; ".join(dict.fromkeys(reasons))


__all__ = ["CONFIRMED", "CedarPolicy", "Explanation", "Pass"]
