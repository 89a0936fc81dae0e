"""Arguments given by reference: what a step may refer to, what a reference stands for, and what is wrong with it.

Invariants: a recorded call has references and never their values, so a replay needs no store; the values are what tools
returned, character for character; a reference that stands for nothing is a finding that says what there is.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from nebulus.calls.assignments import assignments
from nebulus.calls.step_arguments import has_sign
from nebulus.calls.validate import check
from nebulus.core.context import Label
from nebulus.core.digest import canonical
from nebulus.core.errors import StoreError
from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.plan import GOAL
from nebulus.core.references import (
    NO_VALUES,
    EarlierResult,
    RealValues,
    Reference,
    referable,
    reference_of,
    references_in,
)
from nebulus.core.text import bounded
from nebulus.core.tools import Effect, ToolSpec
from nebulus.guard.labels import label_of_result
from nebulus.guard.usage import digest_of
from nebulus.loop.machine import Machine
from nebulus.memory.look import LookError, as_text, value_at
from nebulus.memory.mentions import mentions_of
from nebulus.memory.references import Unresolved, is_mention, unresolved
from nebulus.memory.results import find_result, last_or

BEGINNING_CHARS = 200
"""How much of a value is shown to a person who sees its reference."""
_OBJECT_FIX = (
    'give {"from": "last"}, {"from": "call N"} or {"from": "step N"} as an object, or the text itself'
)
_TEXT_FIX = "write the text itself"
"""Said where the schema that the model is shown takes no reference."""
_FIX = 'give {"from": …} with the name of one of these, or the text itself'

Stored: TypeAlias = Callable[[str], str]
"""Returns what is stored at an address; raises `StoreError` where nothing is."""
Results: TypeAlias = Mapping[str, EarlierResult]
"""The results that the references of a call mean, by argument."""


class ResolvedCall(Struct, frozen=True):
    """A call with references by names that stay the same, what they mean, and its arguments with the real values."""

    call: Call
    results: dict[str, EarlierResult]
    real: dict[str, Any]

    def labels(self) -> tuple[Label, ...]:
        """Return the label of each argument that is a reference: the provenance of the result that it means."""
        return tuple(
            label_of_result(name, result.provenance, as_text(self.real[name]))
            for name, result in self.results.items()
        )


def nothing_stored(address: str) -> str:
    """Raise: for who has no store of results.

    Raises:
        StoreError: always.
    """
    raise StoreError(f"nothing is stored at {address!r}: there is no store of results here")


def resolved_calls(
    machine: Machine, step: int, calls: tuple[Call, ...], *, stored: Stored
) -> tuple[ResolvedCall, ...] | Finding:
    """Return the calls of an answer with their references resolved, or the first thing that is wrong with one."""
    found: list[ResolvedCall] = []
    for number, call in enumerate(calls):
        spec = machine.config.tool(call.tool)
        if number and (names := references_in(spec, call.arguments)):
            name = next(iter(names))
            why = "a reference is given only in the first call of an answer: the calls before it have returned nothing yet"
            return _invalid(
                spec, name, why, value=names[name], fix="make this call alone, in the next answer"
            )
        resolved = resolved_call(machine, step, call, stored=stored)
        if isinstance(resolved, Finding):
            return resolved
        wrong = differs_from_fixed(machine, step, resolved, stored=stored)
        if wrong is not None:
            return wrong
        found.append(resolved)
    return tuple(found)


def resolved_call(machine: Machine, step: int, call: Call, *, stored: Stored) -> ResolvedCall | Finding:
    """Return `call` with its references resolved, or what is wrong with one of them."""
    spec = machine.config.tool(call.tool)
    written = _written_reference(machine, spec, call)
    if written is not None:
        return written
    if not references_in(spec, call.arguments):
        return ResolvedCall(call, {}, call.arguments)
    results = results_of(machine, step, call)
    if isinstance(results, Finding):
        return results
    named = {
        name: last_or(reference, results[name]).argument
        for name, reference in _references(spec, call.arguments).items()
        if reference is not None
    }
    call = replace(call, arguments={**call.arguments, **named})
    real = real_arguments(spec, call.arguments, results, stored=stored)
    return real if isinstance(real, Finding) else ResolvedCall(call, results, real)


def results_of(machine: Machine, step: int, call: Call) -> dict[str, EarlierResult] | Finding:
    """Return the results that the references of `call` mean in `step`, or what is wrong with one of them."""
    spec, found = machine.config.tool(call.tool), dict[str, EarlierResult]()
    for name, reference in _references(spec, call.arguments).items():
        result = find_result(machine.state, machine.calls, reference, step=step, receipts=_receipts(machine))
        if not isinstance(result, EarlierResult):
            return _invalid(spec, name, result, value=call.arguments[name])
        found[name] = result
    return found


def real_arguments(
    spec: ToolSpec, arguments: dict[str, Any], results: Results, *, stored: Stored
) -> dict[str, Any] | Finding:
    """Return `arguments` with each reference replaced by what it stands for, or why one can't be.

    A value fits the tool's own schema: of a JSON text, the value that the schema asks for, else the text.
    """
    real = dict(arguments)
    for name, result in results.items():
        try:
            text = stored(result.address) if result.address else result.text
            real[name] = value_at(text, result.path) if result.path else text
        except LookError as error:
            return _invalid(spec, name, f"{result.path!r} of {result.source}: {error}", value=arguments[name])
        except StoreError as error:
            return _invalid(spec, name, f"{result.source} can't be read: {error}", value=arguments[name])
        if real[name] in ("", None):
            return _invalid(spec, name, f"{result.source} is empty there", value=arguments[name])
    checked = check(spec, real)
    if checked.finding is not None:  # what a path leads to is text, where text is wanted
        real |= {name: as_text(real[name]) for name, result in results.items() if result.path}
        checked = check(spec, real)
    if checked.finding is not None:
        return replace(
            checked.finding, rule=f"what the reference stands for does not fit: {checked.finding.rule}"
        )
    return checked.arguments


def real_values(call: Call, real: Call, results: Results) -> RealValues:
    """Return what is recorded of the values that the references of `call` stand for."""
    if not results:
        return NO_VALUES
    return RealValues(
        call_digest=digest_of(real),
        size_bytes=len(canonical(real.arguments)) - len(canonical(call.arguments)),
        begins={name: bounded(as_text(real.arguments[name]), BEGINNING_CHARS) for name in results},
    )


def fixed_references(machine: Machine, step: int, tool: ToolSpec) -> dict[str, Reference]:
    """Return the references that a step of a plan gives to arguments of `tool`.

    As data, or in its text as `content = the result of step 1` or `content = {{step 1}}`, where that result can't be
    written into the text.
    """
    names = referable(tool)
    if not names or not machine.config.resolves_references:
        return {}
    asked = machine.state.step(step)
    as_data = {name: reference_of(asked.arguments.get(name)) for name in names}
    fixed = {name: reference for name, reference in as_data.items() if reference is not None}
    if asked.is_open:
        return fixed
    said = assigned_mentions(machine, step, tool)
    return {name: Reference("step", mention.step) for name, mention in said.items()} | fixed


def assigned_mentions(machine: Machine, step: int, tool: ToolSpec) -> dict[str, Unresolved]:
    """Return the mentions that the text of a step assigns to arguments of `tool` by a sign, as their whole value."""
    text = machine.state.step(step).text
    whole = [each for each in unresolved(text, machine.state.facts) if each.is_whole]
    found: dict[str, Unresolved] = {}
    for said in assignments(text, tool, tuple({each.words for each in whole})) if whole else ():
        start, end = said.place
        mention = next(
            (each for each in whole if start <= each.start < end and each.words == said.value), None
        )
        is_explicit = said.name in referable(tool) and has_sign(text, said) and _is_all(text, end)
        if mention is not None and is_explicit:
            found[said.name] = mention
    return found


def differs_from_fixed(machine: Machine, step: int, given: ResolvedCall, *, stored: Stored) -> Finding | None:
    """Return the finding for the first argument that is neither the reference that the step gives, nor its value."""
    spec = machine.config.tool(given.call.tool)
    for name, reference in fixed_references(machine, step, spec).items():
        if reference_of(given.call.arguments.get(name)) == reference:
            continue
        wanted = replace(given.call, arguments={**given.call.arguments, name: reference.argument})
        other = resolved_call(machine, step, wanted, stored=stored)
        if isinstance(other, Finding):
            return other
        if name not in given.real or other.real[name] != given.real[name]:
            return Finding(
                kind=FindingKind.ARGUMENT_MISMATCH,
                rule=f"the step gives {name} = {canonical(reference.argument).decode()}",
                where=f"/{name}",
                tool=spec.name,
            )
    return None


def _is_all(text: str, end: int) -> bool:
    """Whether nothing after a mention says more about it: "the result of step 1 without its first line"."""
    rest = text[end:].lstrip("\"'`")
    return not rest.strip() or rest.lstrip(" ")[0] in ",;.)\n" or rest.lstrip().lower().startswith("and ")


def _references(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Reference | None]:
    return {name: reference_of(value) for name, value in references_in(spec, arguments).items()}


def _receipts(machine: Machine) -> frozenset[str]:
    """The tools that change something with a text that they are given, and return only what they did."""
    return frozenset(
        tool.name for tool in machine.config.tools if tool.references and tool.effect is not Effect.READ
    )


def _written_reference(machine: Machine, spec: ToolSpec, call: Call) -> Finding | None:
    """Return the finding for a text that only names a result; not if the goal quotes that text."""
    for name in referable(spec):
        value = call.arguments.get(name)
        if not isinstance(value, str) or not _names_result(value):
            continue
        if any(mention.text == value.strip() for mention in mentions_of(machine.state.goal.text)):
            continue
        return Finding(
            kind=FindingKind.INVALID_ARGUMENTS,
            rule=f"{name} only names a result, and these words would be taken as they are",
            where=f"/{name}",
            value=value.strip(),
            fix=_TEXT_FIX if machine.state.plan.origin == GOAL else _OBJECT_FIX,
            tool=spec.name,
        )
    return None


def _names_result(value: str) -> bool:
    if is_mention(value):
        return True
    is_object = value.lstrip().startswith("{") and len(value) <= BEGINNING_CHARS
    return is_object and reference_of(check(_AS_OBJECT, {"value": value}).arguments["value"]) is not None


_AS_OBJECT = ToolSpec(
    name="reference", parameters={"type": "object", "properties": {"value": {"type": "object"}}}
)
"""Reads the JSON of an object that was given as text."""


def _invalid(spec: ToolSpec, name: str, rule: str, *, value: Any, fix: str = _FIX) -> Finding:
    return Finding(
        kind=FindingKind.INVALID_ARGUMENTS,
        rule=rule,
        where=f"/{name}",
        value=canonical(value).decode(),
        fix=fix,
        tool=spec.name,
    )
