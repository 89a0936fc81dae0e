"""How a model is told that an argument may be a reference: by the schema of the argument, and nowhere else.

Invariants: an open step always has the same schemas, since they come first in its prompt: those of a goal that is worked
on call by call are not extended, since the models measured did not choose references there; a step of a plan has them only if
its text mentions a result that can't be written into it. What a step gives to an argument by reference leaves no choice.
"""

from typing import Any

from nebulus.core.plan import GOAL
from nebulus.core.references import Reference, referable, reference_schema, with_schemas
from nebulus.core.tools import ToolSpec
from nebulus.loop.given import assigned_mentions, fixed_references
from nebulus.loop.machine import Machine
from nebulus.memory.references import unresolved
from nebulus.memory.results import find_result

_CALLS = "last|call [1-9][0-9]?"
_STEPS = "|step [1-9][0-9]?"


def with_references(machine: Machine, step: int, tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    """Return `tools` with the schemas of those arguments extended that may be references in `step`."""
    if not machine.config.resolves_references or not any(tool.references for tool in tools):
        return tools
    if machine.state.step(step).is_open:
        return tools if machine.state.plan.origin == GOAL else in_open_step(tools, has_steps=True)
    return tuple(_of_plan(machine, step, tool) for tool in tools)


def in_open_step(tools: tuple[ToolSpec, ...], *, has_steps: bool = False) -> tuple[ToolSpec, ...]:
    """Return `tools` as an open step shows them; `has_steps`: the results of other steps can be referred to as well."""
    source = {"type": "string", "pattern": f"^({_CALLS}{_STEPS if has_steps else ''})$"}
    return tuple(_extended(tool, reference_schema(source), example='{"from": "last"}') for tool in tools)


def unseen_results(machine: Machine, step: int, tools: tuple[ToolSpec, ...]) -> frozenset[int]:
    """Return the steps whose results are only given to arguments of `tools` by reference: no model need see them."""
    if machine.state.step(step).is_open or not machine.config.resolves_references:
        return frozenset()
    given = [each for tool in tools for each in assigned_mentions(machine, step, tool).values()]
    seen = [
        each for each in unresolved(machine.state.step(step).text, machine.state.facts) if each not in given
    ]
    return frozenset(each.step for each in given) - {each.step for each in seen}


def _of_plan(machine: Machine, step: int, tool: ToolSpec) -> ToolSpec:
    names = referable(tool)
    if not names:
        return tool
    fixed = {
        name: _exactly(reference)
        for name, reference in fixed_references(machine, step, tool).items()
        if _exists(machine, step, reference)
    }
    left = unresolved(machine.state.step(step).text, machine.state.facts)
    known = [each for each in left if _exists(machine, step, Reference("step", each.step))]
    if not known or len(fixed) == len(names):
        return with_schemas(tool, fixed)
    sources = list(dict.fromkeys(f"step {each.step}" for each in known))
    schema = reference_schema({"enum": sources}, has_path=not all(each.is_whole for each in known))
    extended = _extended(tool, schema, example=f'{{"from": "{sources[0]}"}}')
    return with_schemas(extended, fixed)


def _exists(machine: Machine, step: int, reference: Reference) -> bool:
    return not isinstance(find_result(machine.state, machine.calls, reference, step=step), str)


def _exactly(reference: Reference) -> dict[str, Any]:
    """The schema of this one reference."""
    argument = reference.argument
    return {
        "type": "object",
        "properties": {name: {"const": value} for name, value in argument.items()},
        "required": list(argument),
        "additionalProperties": False,
    }


def _extended(tool: ToolSpec, schema: dict[str, Any], *, example: str) -> ToolSpec:
    """Return `tool` with the choice between a value of its own and a reference."""
    properties, schemas = tool.parameters.get("properties", {}), {}
    for name in referable(tool):
        own = {key: value for key, value in properties[name].items() if key != "description"}
        said = str(properties[name].get("description", "")).rstrip(".")
        told = f"{said}; or {example}, to put in a whole result" if said else f"or {example}: a whole result"
        schemas[name] = {"anyOf": [own, schema], "description": f"{told}."}
    return with_schemas(tool, schemas)
