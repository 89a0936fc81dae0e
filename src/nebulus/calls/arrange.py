"""Puts arguments where their tool declares them, where only one place can be meant.

Invariants: a key is renamed or moved only where one declared argument can be meant and none is there yet;
what has no place stays where validation finds it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nebulus.calls.candidate import ARGUMENT_KEYS, PASSING, Candidate, arguments_of
from nebulus.calls.literal import UnreadableError
from nebulus.calls.schema import property_names, required_names
from nebulus.core.findings import Edit
from nebulus.core.tools import Effect, ToolSpec

_SEPARATORS = re.compile(r"[\s_\-.]+")
_CONTAINER = re.compile(rf"\A(?:{'|'.join(ARGUMENT_KEYS)})[_.\-]", re.IGNORECASE)
"""In front of an argument's own name: `params_city`, `arguments.city`."""


def arranged(candidate: Candidate, tool: ToolSpec) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return the arguments of `candidate` as `tool` declares them, with the edits that it took.

    Raises:
        UnreadableError: they are not an object, or a value of theirs has no certain place.
    """
    declared = property_names(tool)
    if candidate.is_positional:
        return _named(candidate.arguments, candidate.beside, tool)
    arguments, edits = arguments_of(candidate.arguments, is_optional=not declared)
    arguments, unwrapping = _unwrapped(arguments, declared)
    arguments, moving = _with_beside(arguments, candidate.beside, declared)
    arguments, emptying = _without_nothing(arguments, declared)
    arguments, renaming = _spelled_as_declared(arguments, declared)
    return arguments, (*edits, *unwrapping, *moving, *emptying, *renaming)


def _named(
    values: Sequence[Any], keywords: Mapping[str, Any], tool: ToolSpec
) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return values without names under the parameters that they can be.

    One value is the only parameter that there is, or that is required. Several are those that are declared
    first, as in Python, for a tool that only reads: its mistakes cost little.
    """
    declared, required = property_names(tool), required_names(tool)
    only = declared if len(declared) == 1 else required
    if len(values) == 1 and not keywords and len(only) == 1:
        return {only[0]: values[0]}, (Edit("value named by the only parameter", "/" + only[0]),)
    first = declared[: len(values)]
    if tool.effect is not Effect.READ or len(first) < len(values) or keywords.keys() & set(first):
        shown = ", ".join(map(str, values))[:40]
        raise UnreadableError("a value has no name, and more than one argument could be meant", value=shown)
    named = dict(zip(first, values, strict=True))
    return {**named, **keywords}, (Edit("values named in declared order", "", "", ", ".join(first)[:40]),)


def _unwrapped(arguments: dict[str, Any], declared: Sequence[str]) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return arguments without an object around them that only says that they are arguments."""
    if len(arguments) == 1:
        ((key, inner),) = arguments.items()
        if key in ARGUMENT_KEYS and key not in declared and isinstance(inner, dict):
            return inner, (Edit("arguments unwrapped", "", key),)
    return arguments, ()


def _without_nothing(
    arguments: dict[str, Any], declared: Sequence[str]
) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return `arguments` without one that has neither a name nor a value: gpt-oss' way of saying none."""
    if "" not in arguments or "" in declared or arguments[""] not in ("", None):
        return arguments, ()
    rest = {key: value for key, value in arguments.items() if key}
    return rest, (Edit("nothing without a name left out"),)


def _with_beside(
    arguments: dict[str, Any], beside: Mapping[str, Any], declared: Sequence[str]
) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return `arguments` with declared ones that were next to them: a brace that closed too early."""
    if not beside:
        return arguments, ()
    moved = {key: value for key, value in beside.items() if key in declared and key not in arguments}
    stranger = next((key for key in beside if key not in moved and key not in PASSING), None)
    if stranger is not None:
        raise UnreadableError("a field is next to name and arguments", value=stranger[:60])
    return {**arguments, **moved}, tuple(Edit("argument moved inside", "/" + key, key) for key in moved)


def _spelled_as_declared(
    arguments: dict[str, Any], declared: Sequence[str]
) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return `arguments` with keys that differ from a declared one only in case, separators, or a word for arguments."""
    strangers = [key for key in arguments if key not in declared]
    if not strangers or not declared:
        return arguments, ()
    free = [key for key in declared if key not in arguments]
    meant = {
        key: [name for name in free if _folded(name) in (_folded(key), _folded(_without_container(key)))]
        for key in strangers
    }
    targets = [names[0] for names in meant.values() if len(names) == 1]
    renamed = {
        key: names[0] for key, names in meant.items() if len(names) == 1 and targets.count(names[0]) == 1
    }
    edits = tuple(
        Edit("argument spelled as declared", "/" + new, old[:40], new) for old, new in renamed.items()
    )
    return {renamed.get(key, key): value for key, value in arguments.items()}, edits


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name[:160]).lower()


def _without_container(name: str) -> str:
    """Return `params_city` as `city`."""
    return _CONTAINER.sub("", name, 1)
