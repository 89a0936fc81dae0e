"""The short way: an answer that is nothing but clean calls needs no search and no repair.

Invariant: whatever is read here is read the same by the long way; anything unusual is left to it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.calls.grounding import ungrounded
from nebulus.calls.validate import is_valid
from nebulus.core.answers import RawCall
from nebulus.core.findings import Call, CallEvidence, Reading
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE

_ALL = (CallEvidence.WHOLE,)
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


class _Plain(Struct, frozen=True, forbid_unknown_fields=True):
    """The one spelling that is taken for clean."""

    name: str
    arguments: dict[str, Any]


_plain = msgspec.json.Decoder(_Plain)
_object = msgspec.json.Decoder(dict[str, Any])


def clean_structured(calls: Sequence[RawCall], tools: Sequence[ToolSpec], *, shown: str) -> Reading | None:
    """Return the reading of the server's own calls if all of them are clean; None to take the long way."""
    found: list[Call] = []
    for raw in calls:
        try:
            arguments = _object.decode(raw.arguments)
        except (*UNREADABLE, ValueError):  # not clean: the long way is asked
            return None
        call = _call(raw.name, arguments, raw.arguments, keys=0, tools=tools, shown=shown)
        if call is None or call in found:
            return None
        found.append(call)
    return Reading(calls=tuple(found), evidence=_ALL * len(found), dialect="structured")


def clean_text(text: str, tools: Sequence[ToolSpec], *, shown: str) -> Reading | None:
    """Return the reading of a text that is one clean call, bare or in Hermes' tags; None for any other."""
    body = text.strip()
    is_tagged = body.startswith(_OPEN) and body.endswith(_CLOSE)
    inner = body[len(_OPEN) : -len(_CLOSE)] if is_tagged else body
    if not (is_tagged or body[:1] == "{") or (shown and body in shown):
        return None
    try:
        plain = _plain.decode(inner)
    except (*UNREADABLE, ValueError):  # not clean: the long way is asked
        return None
    call = _call(plain.name, plain.arguments, inner, keys=2, tools=tools, shown=shown)
    if call is None:
        return None
    return Reading(calls=(call,), evidence=_ALL, dialect="hermes" if is_tagged else "json")


def _call(
    name: str, arguments: dict[str, Any], text: str, *, keys: int, tools: Sequence[ToolSpec], shown: str
) -> Call | None:
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None or not _has_unique_keys(text, keys + _count(arguments)):
        return None
    if not is_valid(tool, arguments) or (shown and tool.grounded and ungrounded(tool, arguments, shown)):
        return None
    return Call(tool.name, arguments)


def _has_unique_keys(text: str, keys: int) -> bool:
    """Whether JSON `text`, from which `keys` keys were read, certainly names none twice.

    Every key ends in a quote and a colon. Inside a string such a pair has a backslash before it; a key
    that ends in a backslash, or has a blank before its colon, is left to the long way.
    """
    if text.count('":') - text.count('\\":') != keys:
        return False
    return not any(odd in text for odd in ('\\\\":', '" :', '"\n', '"\t', '"\r'))


def _count(value: dict[str, Any]) -> int:
    """How many keys are in an object and in all that it holds."""
    return len(value) + sum(_count(inner) for held in value.values() for inner in _objects(held))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects nearest below `value`."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
