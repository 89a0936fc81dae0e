"""A call as rules see it: the context of one Cedar request.

Invariant: a value that can't be compared exactly, or that has another type than its tool declares, is an error and
never left out; the policy refuses a call on such an error.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec import Struct

from nebulus.core.context import Context, RunUsage
from nebulus.core.digest import canonical
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.clauses import Clause, true_clauses
from nebulus.guard.flow import Flow
from nebulus.guard.patterns import given_hosts, given_paths
from nebulus.guard.schema import (
    Kind,
    cedar_decimal,
    cedar_long,
    kind_of,
    numbers_of,
    properties_of,
)
from nebulus.guard.usage import bytes_out_with, totals_with


class View(Struct, frozen=True, kw_only=True):
    """What a policy set reads: the `tools` that it counts, its `clauses`, the attributes that it `needs`."""

    tools: tuple[str, ...]
    clauses: tuple[Clause, ...]
    needs: frozenset[str]


def request_context(
    call: Call, spec: ToolSpec, context: Context, *, flow: Flow, view: View
) -> dict[str, Any]:
    """Return what rules see of `call`, with `confirmed` false.

    Raises:
        ValueError: a number is too large to be compared.
        TypeError: a value is not of its declared type, or an argument is not declared.
    """
    _require_declared(call, spec)
    usage, needs = context.usage, view.needs
    parts: dict[str, Callable[[], Any]] = {
        "agent": lambda: context.agent,
        "tier": lambda: context.tier,
        "step": lambda: context.step,
        "confirmed": lambda: False,
        "paths": lambda: given_paths(call, spec),
        "hosts": lambda: given_hosts(call, spec),
        "matched": lambda: true_clauses(view.clauses, call, spec=spec, usage=usage),
        "bytes_out": lambda: cedar_long(bytes_out_with(usage, call, spec)),
        "count": lambda: _count(usage, view),
        "flow": lambda: _flow(flow, needs),
        "arguments": lambda: _arguments(call, spec, needs),
        "totals": lambda: _totals(call, spec, view=view, usage=usage),
    }
    return {name: make() for name, make in parts.items() if name in needs}


def _require_declared(call: Call, spec: ToolSpec) -> None:
    if spec.parameters.get("additionalProperties"):
        return
    unknown = call.arguments.keys() - properties_of(spec).keys()
    if unknown:
        raise TypeError(f"{spec.name} declares no argument {sorted(unknown)[0]!r}")


def _count(usage: RunUsage, view: View) -> dict[str, Any]:
    by_tool = {name: usage.by_tool.get(name, 0) for name in view.tools if name in view.needs}
    by_effect = {
        kind.value: usage.by_effect.get(kind.value, 0) for kind in Effect if kind.value in view.needs
    }
    seen = {"calls": usage.calls, "tools": by_tool, "effects": by_effect}
    return {name: value for name, value in seen.items() if name in view.needs}


def _flow(flow: Flow, needs: frozenset[str]) -> dict[str, Any]:
    seen = {
        "tainted": flow.is_tainted,
        "planned": flow.is_planned,
        "endorsed": flow.is_endorsed,
        "repeated": flow.is_repeat,
        "foreign": [label.argument for label in flow.foreign],
    }
    return {name: value for name, value in seen.items() if name in needs}


def _arguments(call: Call, spec: ToolSpec, needs: frozenset[str]) -> dict[str, Any]:
    declared = properties_of(spec)
    seen = {}
    for name, value in call.arguments.items():
        if value is not None and name in needs and name in declared:
            seen[name] = _value(value, kind_of(declared[name]), f"{spec.name}.{name}")
    return seen


def _totals(call: Call, spec: ToolSpec, *, view: View, usage: RunUsage) -> dict[str, Any]:
    sums = usage.totals | totals_with(usage, call)
    return {
        name: _decimal(sums.get(f"{spec.name}.{name}", Decimal(0)))
        for name in numbers_of(spec)
        if name in view.needs
    }


def _value(value: Any, kind: Kind, where: str) -> Any:
    match kind, value:
        case "truth", bool():
            return value
        case (("long" | "decimal" | "text" | "texts"), bool()):
            raise TypeError(f"{where} is a truth value, where {kind} is declared")
        case "long", int():
            return cedar_long(value)
        case "long", float() if value.is_integer():
            return cedar_long(int(value))
        case "decimal", int() | float():
            return _decimal(Decimal(str(value)))
        case "text", str():
            return value
        case "texts", list() if all(isinstance(item, str) for item in value):
            return value
        case "json", _:
            return canonical(value).decode()
        case _:
            raise TypeError(f"{where} is {type(value).__name__}, where {kind} is declared")


def _decimal(value: Decimal) -> dict[str, Any]:
    return {"__extn": {"fn": "decimal", "arg": cedar_decimal(value)}}
