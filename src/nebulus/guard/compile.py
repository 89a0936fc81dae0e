"""Compiles TOML rules to Cedar policies, and adds two policies for information flow.

Invariants: deny takes precedence over ask, and ask over allow; what nothing allows is denied. A rule that asks
becomes two policies: one forbids the call until a person confirmed it, one permits it then.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.clauses import AfterClause, Clause, HostClause, PathClause, Quantity
from nebulus.guard.flow import Accept
from nebulus.guard.rules import Extraction, FlowRules, Rule
from nebulus.guard.schema import (
    CONSEQUENTIAL,
    cedar_decimal,
    cedar_text,
    group,
    kind_of,
    numbers_of,
    properties_of,
)

CONFIRMED = "+yes"
"""The suffix of the policy id that permits what a person confirmed."""
PROTECTED = "guard.protected"
DOCUMENT = "flow.document"
UNENDORSED = "flow.unendorsed"
FLOW_RULES = frozenset({DOCUMENT, UNENDORSED})
"""The rules that speak of text from outside."""

REASONS = {
    PROTECTED: "tools must not change the policy, the settings and the records of runs",
    DOCUMENT: "only text from outside asks for this",
    UNENDORSED: "text from outside was read before, and not all of this appears in what was asked for",
}


class Compiled(Struct, frozen=True, kw_only=True):
    """One Cedar policy: its `text` without annotations, and the `rule` that it comes from."""

    policy_id: str
    text: str
    rule: str
    reason: str
    line: int = 0


def compile_rule(rule: Rule, specs: Sequence[ToolSpec]) -> tuple[list[Compiled], list[Clause]]:
    """Return the policies that express `rule`, and the clauses that they name."""
    clauses = _clauses(rule, specs)
    shared = [f"context.matched.contains({cedar_text(clause.key)})" for clause in clauses]
    shared += _plain_conditions(rule)
    if not rule.argument:
        return _policies(rule, _scope(rule), shared, name=rule.name), clauses
    found: list[Compiled] = []
    for spec in selected(rule, specs):
        if rule.argument in properties_of(spec):
            conditions = [*shared, *_argument_conditions(rule, spec)]
            scope = f"action == Action::{cedar_text(spec.name)}"
            found += _policies(rule, scope, conditions, name=f"{rule.name}@{spec.name}")
    return found, clauses


def compile_flow(flow: FlowRules, protected: tuple[str, ...]) -> tuple[list[Compiled], list[Clause]]:
    """Return the policies that apply in addition to those of the file."""
    scope = f"principal, action in Action::{cedar_text(CONSEQUENTIAL)}, resource"
    tainted = "context.flow.tainted"
    unless_confirmed = {"ask": " && !context.confirmed", "deny": ""}
    bodies = {
        DOCUMENT: f"{tainted} && !context.flow.planned && !context.flow.endorsed"
        + unless_confirmed[flow.unplanned],
        UNENDORSED: f"{tainted} && !(context.flow.planned && context.flow.endorsed)"
        + unless_confirmed[flow.unendorsed],
    }
    clauses: list[Clause] = []
    if protected:
        clause = PathClause("any", protected)
        bodies[PROTECTED] = f"context.matched.contains({cedar_text(clause.key)})"
        clauses.append(clause)
    compiled = [
        Compiled(
            policy_id=name,
            text=f"forbid({scope}) when {{ {body} }};",
            rule=name,
            reason=REASONS[name],
        )
        for name, body in bodies.items()
    ]
    return compiled, clauses


def accepts_of(extractions: Sequence[Extraction]) -> tuple[Accept, ...]:
    """Return the extractions that information flow accepts."""
    return tuple(
        Accept(
            tool=item.tool,
            argument=item.argument,
            source=item.source,
            kind=item.kind,
            least=float("-inf") if item.least is None else item.least,
            most=float("inf") if item.most is None else item.most,
        )
        for item in extractions
    )


def selected(rule: Rule, specs: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """Return the tools that `rule` applies to."""
    if not rule.tools and not rule.effects:
        return tuple(specs)
    return tuple(spec for spec in specs if spec.name in rule.tools or spec.effect in rule.effects)


def _policies(rule: Rule, scope: str, conditions: list[str], *, name: str) -> list[Compiled]:
    def policy(effect: str, more: list[str], ending: str = "") -> Compiled:
        body = " && ".join([*conditions, *more])
        when = f" when {{ {body} }}" if body else ""
        text = f"{effect}(principal, {scope}, resource){when};"
        return Compiled(
            policy_id=name + ending, text=text, rule=rule.name, reason=rule.reason, line=rule.line
        )

    match rule.then:
        case "allow":
            return [policy("permit", [])]
        case "deny":
            return [policy("forbid", [])]
        case "ask":
            return [
                policy("forbid", ["!context.confirmed"]),
                policy("permit", ["context.confirmed"], CONFIRMED),
            ]


def _scope(rule: Rule) -> str:
    names = [*rule.tools, *(group(effect) for effect in rule.effects)]
    if not names:
        return "action"
    return f"action in [{', '.join(f'Action::{cedar_text(name)}' for name in names)}]"


def _clauses(rule: Rule, specs: Sequence[ToolSpec]) -> list[Clause]:
    quantity: Quantity = "all" if rule.then == "allow" else "any"
    found: list[Clause] = []
    if rule.paths:
        found.append(PathClause(quantity, rule.paths))
    if rule.hosts:
        found.append(HostClause(quantity, rule.hosts))
    if rule.is_counting and (rule.within or rule.counts_paths):
        found.append(
            AfterClause(
                name=rule.after or "any tool",
                tools=_counted(rule.after, specs),
                times=rule.times,
                within=rule.within,
                patterns=rule.counts_paths,
            )
        )
    return found


def _counted(name: str, specs: Sequence[ToolSpec]) -> tuple[str, ...]:
    return tuple(spec.name for spec in specs if name in ("", spec.name, spec.effect.value))


def _plain_conditions(rule: Rule) -> list[str]:
    conditions = []
    if rule.agents:
        names = f"[{', '.join(map(cedar_text, rule.agents))}]"
        conditions.append(f"({names}.contains(context.agent) || {names}.contains(context.tier))")
    if rule.is_counting and not (rule.within or rule.counts_paths):
        kind = "effects" if rule.after in set(Effect) else "tools"
        conditions.append(f"context.count.{kind}[{cedar_text(rule.after)}] >= {rule.times}")
    if rule.bytes_out_above is not None:
        conditions.append(f"context.bytes_out > {rule.bytes_out_above}")
    if rule.tainted is not None:
        conditions.append("context.flow.tainted" if rule.tainted else "!context.flow.tainted")
    return conditions


def _argument_conditions(rule: Rule, spec: ToolSpec) -> list[str]:
    name = cedar_text(rule.argument)
    value, total = f"context.arguments[{name}]", f"context.totals[{name}]"
    is_required = rule.argument in spec.parameters.get("required", ())
    conditions = []
    if rule.above is not None:
        conditions.append(_compared(value, ">", rule.above, kind=kind_of(properties_of(spec)[rule.argument])))
    if rule.at_most is not None:
        conditions.append(
            _compared(value, "<=", rule.at_most, kind=kind_of(properties_of(spec)[rule.argument]))
        )
    if rule.equals is not None:
        conditions.append(_equals(value, rule.equals))
    if not is_required and (conditions or rule.total_above is None):
        conditions.insert(0, f"context.arguments has {name}")
    if rule.total_above is not None and rule.argument in numbers_of(spec):
        conditions.append(_compared(total, ">", rule.total_above, kind="decimal"))
    return conditions


def _compared(value: str, sign: str, limit: float, *, kind: str) -> str:
    if kind == "long":
        return f"{value} {sign} {int(limit // 1)}"
    method = {">": "greaterThan", "<=": "lessThanOrEqual"}[sign]
    return f"{value}.{method}(decimal({cedar_text(cedar_decimal(Decimal(str(limit))))}))"


def _equals(value: str, wanted: str | bool | tuple[str, ...]) -> str:
    match wanted:
        case bool():
            return value if wanted else f"!{value}"
        case str():
            return f"{value} == {cedar_text(wanted)}"
        case _:
            return f"[{', '.join(map(cedar_text, wanted))}].contains({value})"
