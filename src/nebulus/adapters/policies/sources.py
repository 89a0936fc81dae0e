"""A policy as it is written: every rule and every Cedar policy, with an id and its place.

Invariant: what can't be parsed, checked or meant prevents the start; a policy is never partial.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import cedarpy
from msgspec import Struct

from nebulus.core.errors import ConfigError
from nebulus.guard.check import Scene, require_sound
from nebulus.guard.clauses import Clause
from nebulus.guard.compile import Compiled, compile_flow, compile_rule
from nebulus.guard.needs import attributes
from nebulus.guard.rules import RuleFile
from nebulus.guard.schema import Cedar, cedar_schema
from nebulus.guard.statements import Statement, is_impossible, statements


class Policy(Struct, frozen=True, kw_only=True):
    """One policy of the set: `rule` names it in a verdict, `place` says where it is, `body` is its JSON."""

    policy_id: str
    rule: str
    reason: str
    place: str
    text: str
    body: Any


class PolicyText(Struct, frozen=True, kw_only=True):
    """A whole policy: the checked rules, the text of each Cedar file by name, and what no tool may change."""

    file: RuleFile
    cedar: tuple[tuple[str, str], ...] = ()
    protected: tuple[str, ...] = ()


def collect(text: PolicyText, scene: Scene) -> tuple[tuple[Policy, ...], tuple[Clause, ...], Cedar]:
    """Return all policies of `text` in order, the clauses that they name, and the schema that they keep.

    Raises:
        ConfigError: a rule or a policy that names what is not there, can never match, or is malformed.
    """
    require_sound(text.file, scene)
    schema = cedar_schema(scene.specs)
    compiled, clauses = compile_flow(text.file.flow, text.protected)
    for rule in text.file.rules:
        policies, named = compile_rule(rule, scene.specs)
        compiled += policies
        clauses += named
    found = [_own(item, text.file.source) for item in compiled]
    declared = frozenset(attributes(schema))
    for name, source in text.cedar:
        found += [_foreign(statement, name, declared) for statement in statements(source)]
    _require_distinct(found)
    _require_valid(found, schema)
    return tuple(found), tuple({clause.key: clause for clause in clauses}.values()), schema


def policy_set(policies: Sequence[Policy]) -> cedarpy.PolicySet:
    """Return the policies parsed once, each under its own id.

    Raises:
        ConfigError: Cedar does not take them.
    """
    static = {policy.policy_id: policy.body for policy in policies}
    document = {"staticPolicies": static, "templates": {}, "templateLinks": []}
    try:
        return cedarpy.PolicySet.from_json_str(json.dumps(document))
    except ValueError as error:
        raise ConfigError(f"the policy set is refused by Cedar: {error}") from error


def _own(item: Compiled, source: str) -> Policy:
    place = f"{source}:{item.line}" if item.line else "built in"
    return Policy(
        policy_id=item.policy_id,
        rule=item.rule,
        reason=item.reason,
        place=place,
        text=item.text,
        body=_parsed(item.text, place),
    )


def _foreign(statement: Statement, name: str, declared: frozenset[str]) -> Policy:
    place = f"{name}:{statement.line}"
    body = _parsed(statement.text, place)
    if is_impossible(body, declared):
        raise ConfigError(
            f"{place}: this can never match: its conditions are false for every call",
            fix="correct or remove it",
        )
    annotations = body.get("annotations", {})
    policy_id = annotations.get("id") or place
    return Policy(
        policy_id=policy_id,
        rule=policy_id,
        reason=annotations.get("reason") or "",
        place=place,
        text=statement.text.strip(),
        body=body,
    )


def _parsed(text: str, place: str) -> Any:
    try:
        document = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise ConfigError(
            f"{place}: this is not a Cedar policy: {error}", fix=f"{text.strip()[:80]!r}"
        ) from error
    policies = list(document["staticPolicies"].values())
    if document["templates"] or len(policies) != 1:
        raise ConfigError(f"{place}: write one policy up to each `;`, without ?principal and ?resource")
    return policies[0]


def _require_distinct(policies: Iterable[Policy]) -> None:
    seen: dict[str, Policy] = {}
    for policy in policies:
        if policy.policy_id in seen:
            raise ConfigError(
                f"{policy.place}: the id {policy.policy_id!r} is taken at {seen[policy.policy_id].place}",
                fix="give it another",
            )
        seen[policy.policy_id] = policy


def _require_valid(policies: Sequence[Policy], schema: Cedar) -> None:
    if cedarpy.validate_policies("\n".join(policy.text for policy in policies), schema):
        return
    for policy in policies:
        result = cedarpy.validate_policies(policy.text, schema)
        if not result:
            said = "; ".join(error.error.replace("for policy `policy0`, ", "") for error in result.errors)
            raise ConfigError(
                f"{policy.place}: {said}", fix="`nebulus policy schema` lists what a rule can name"
            )
    raise ConfigError("the policies do not fit the tools, though each does alone")
