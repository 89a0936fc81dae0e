"""A call as rules see it: the context of one Cedar request.

Law: a value that can't be compared exactly, or is of another type than its tool declares, is an error and
never left out; the one who decides refuses on it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from nebulus.core.context import Context
from nebulus.core.digest import canonical
from nebulus.core.findings import Call
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.clauses import Clause, holding
from nebulus.guard.conduct import bytes_out_with, totals_with
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


def request_context(
    call: Call,
    spec: ToolSpec,
    context: Context,
    *,
    flow: Flow,
    clauses: Sequence[Clause],
    tools: Sequence[str],
) -> dict[str, Any]:
    """Return what rules see of `call`, not confirmed; `tools` are all that are counted.

    Raises:
        ValueError: a number is too large to be compared.
        TypeError: a value is not of its declared type, or an argument is not declared.
    """
    conduct = context.conduct
    return {
        "agent": context.agent,
        "tier": context.tier,
        "step": context.step,
        "confirmed": False,
        "paths": given_paths(call, spec),
        "hosts": given_hosts(call, spec),
        "matched": holding(clauses, call, spec, conduct),
        "bytes_out": bytes_out_with(conduct, call, spec),
        "count": {
            "calls": conduct.calls,
            "tools": {name: conduct.by_tool.get(name, 0) for name in tools},
            "effects": {effect.value: conduct.by_effect.get(effect.value, 0) for effect in Effect},
        },
        "flow": {
            "tainted": flow.is_tainted,
            "planned": flow.is_planned,
            "endorsed": flow.is_endorsed,
            "repeated": flow.is_repeat,
            "foreign": [label.argument for label in flow.foreign],
        },
        "arguments": _arguments(call, spec),
        "totals": _totals(call, spec, context),
    }


def _arguments(call: Call, spec: ToolSpec) -> dict[str, Any]:
    declared = properties_of(spec)
    seen = {}
    for name, value in call.arguments.items():
        if name not in declared:
            raise TypeError(f"{spec.name} declares no argument {name!r}")
        if value is not None:
            seen[name] = _value(value, kind_of(declared[name]), f"{spec.name}.{name}")
    return seen


def _totals(call: Call, spec: ToolSpec, context: Context) -> dict[str, Any]:
    sums = context.conduct.totals | totals_with(context.conduct, call)
    return {name: _decimal(sums.get(f"{spec.name}.{name}", Decimal(0))) for name in numbers_of(spec)}


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
