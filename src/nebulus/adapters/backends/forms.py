"""The forms of answers: the schema that a server gets, and the check that it was obeyed.

Invariant: an answer whose form was promised is checked before it is believed.
"""

import json
from typing import Any

import msgspec
from msgspec import Struct

from nebulus.adapters.backends.faults import excerpt, failure
from nebulus.adapters.backends.schema_subset import Reduced, reduce
from nebulus.core.answers import OneCall, RawCall
from nebulus.core.failure import Failure, FailureKind
from nebulus.core.schemas import SCHEMA_ERRORS, compiled
from nebulus.core.tools import ToolSpec
from nebulus.core.unreadable import UNREADABLE

PROBE_NAME = "probe_tool_name"
PROBE_ARGUMENTS = {"probe_argument": "probe value"}


class CallStyle(Struct, frozen=True, kw_only=True):
    """How a model's own template writes a call: what comes before the object, its keys and separators."""

    opener: str = ""
    arguments_key: str = "arguments"
    item_separator: str = ", "
    key_separator: str = ": "


PLAIN = CallStyle()
"""One bare object: for templates that don't write calls as JSON of name and arguments."""


def style_of(with_call: str, with_text: str, mark: str) -> CallStyle:
    """Return the style of a template, from two renderings of one conversation.

    `with_call` contains an assistant's call of `PROBE_NAME` with `PROBE_ARGUMENTS`; `with_text` contains an
    assistant's text `mark` in its place, which shows where a turn begins.
    """
    if mark not in with_text:
        return PLAIN
    turn = _beginning(with_call, with_text[: with_text.find(mark)])
    start = with_call.rfind("{", turn, with_call.find(f'"{PROBE_NAME}"', turn) + 1)
    if start < 0:
        return PLAIN
    try:
        written, length = json.JSONDecoder().raw_decode(with_call[start:])
    except ValueError:
        return PLAIN
    key = next((key for key, value in written.items() if value == PROBE_ARGUMENTS), "")
    if not key or written.get("name") != PROBE_NAME:
        return PLAIN
    item, colon = _separators(written, with_call[start : start + length])
    return CallStyle(
        opener=with_call[turn:start], arguments_key=key, item_separator=item, key_separator=colon
    )


def call_schema(tools: tuple[ToolSpec, ...], form: OneCall, style: CallStyle = PLAIN) -> Reduced:
    """Return the schema of exactly one call of an offered tool, closed against invented arguments."""
    choices: list[dict[str, Any]] = []
    losses: list[str] = []
    for tool in tools:
        if not form.allows(tool.name):
            continue
        at = f"#/anyOf/{len(choices)}/properties/{style.arguments_key}"
        reduced = reduce(tool.parameters, at=at)
        losses += [f"{tool.name}{loss}" for loss in reduced.losses]
        choices.append({
            "type": "object",
            "properties": {"name": {"const": tool.name}, style.arguments_key: _closed(reduced.schema)},
            "required": ["name", style.arguments_key],
            "additionalProperties": False,
        })  # fmt: skip
    return Reduced({"anyOf": choices}, tuple(losses))


def guided(schema: dict[str, Any], style: CallStyle = PLAIN) -> dict[str, Any]:
    """Return `schema` with LLGuidance's settings: the model's own separators and no other white space.

    Source: llguidance's JSON schema documentation, `x-guidance`; `lenient` keeps an unknown keyword from
    switching the whole constraint off.
    """
    settings = {
        "whitespace_flexible": False,
        "item_separator": style.item_separator,
        "key_separator": style.key_separator,
        "lenient": True,
    }
    return {**schema, "x-guidance": settings}


def read_call(
    text: str, tools: tuple[ToolSpec, ...], form: OneCall, *, style: CallStyle = PLAIN
) -> RawCall | Failure:
    """Return the one call that `text` is, its arguments verbatim; a failure if the form was ignored."""
    try:
        parts = msgspec.json.decode(text.strip(), type=dict[str, msgspec.Raw])
        name = msgspec.json.decode(parts["name"], type=str)
        arguments = bytes(parts[style.arguments_key])
    except (*UNREADABLE, KeyError):
        return ignored("one call as a JSON object", text)
    if arguments[:1] != b"{" or len(parts) != 2:
        return ignored("one call as a JSON object", text)
    return named_as_asked(RawCall(name, arguments.decode()), tools, form)


def named_as_asked(call: RawCall, tools: tuple[ToolSpec, ...], form: OneCall) -> RawCall | Failure:
    """Return `call` if it is one that the form allows."""
    allowed = {tool.name for tool in tools if form.allows(tool.name)}
    return call if call.name in allowed else ignored(f"a call of {' or '.join(sorted(allowed))}", call.name)


def shape_failure(text: str, sent: dict[str, Any]) -> Failure | None:
    """Return why `text` is not JSON of the schema that was sent; None if it is."""
    try:
        value = msgspec.json.decode(text)
    except UNREADABLE:
        return ignored("JSON", text)
    try:
        found = next(iter(compiled(sent).iter_errors(value)), None)
    except SCHEMA_ERRORS:
        return None  # the schema itself is broken: its owner's validator says so
    return None if found is None else ignored(f"JSON of the schema: {excerpt(found.message)}", text)


def ignored(asked: str, got: str) -> Failure:
    """Return the failure of a server that was asked for a form and did not constrain the model to it."""
    return failure(
        FailureKind.FORM_IGNORED,
        f"the answer is not {asked}",
        value=excerpt(got) or "empty",
        fix="use a server that constrains decoding by JSON Schema",
    )


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Small models invent arguments where they may; a closed object accepts less, and all of it is valid."""
    if "properties" not in schema or not _OPENERS.isdisjoint(schema):
        return schema
    return {**schema, "additionalProperties": False}


_OPENERS = frozenset({"additionalProperties", "patternProperties", "allOf", "anyOf", "$ref"})


def _beginning(one: str, other: str) -> int:
    """Return how much two renderings have in common; a tag of which only a part is common is left out."""
    shorter = min(len(one), len(other))
    common = next((n for n in range(shorter) if one[n] != other[n]), shorter)
    tag = one.rfind("<", 0, common)
    return tag if tag > one.rfind(">", 0, common) else common


def _separators(value: dict[str, Any], text: str) -> tuple[str, str]:
    for item, colon in ((", ", ": "), (",", ":"), (",", ": "), (", ", ":")):
        if json.dumps(value, separators=(item, colon)) == text:
            return item, colon
    return ", ", ": "
