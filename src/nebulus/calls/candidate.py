"""From a value to the call that it spells: every known spelling of a name and of its arguments.

Laws: an unknown spelling is a complaint, never an empty object; arguments that can't be read are never
`{}`; two spellings at once are a complaint, not a choice.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct

from nebulus.calls.literal import MISSING_CLOSER, Unreadable, read_value
from nebulus.core.findings import Edit

NAME_KEYS = ("name", "tool", "tool_name", "function_name", "function", "action", "recipient_name", "api")
ARGUMENT_KEYS = (
    "arguments", "parameters", "args", "input", "params", "kwargs", "tool_input", "action_input",
    "tool_args", "tool_arguments", "tool_parameters", "function_args", "function_arguments", "inputs",
)  # fmt: skip
WRAPPERS = ("function", "function_call", "tool_call", "tool_use")
LISTS = ("tool_calls", "calls", "function_calls", "tool_uses", "actions")
PASSING = frozenset(
    {"id", "type", "index", "call_id", "tool_call_id", "thought", "thoughts", "reasoning", "role", "content"}
)
"""Keys that stand beside a call and say nothing of it."""


class Candidate(Struct, frozen=True):
    """A call as it was spelled: nothing of it was looked up or validated yet.

    `arguments` is an object, or text or null where the writer put these; `edits` have pointers below
    the arguments.
    """

    name: str
    arguments: Any
    edits: tuple[Edit, ...] = ()
    is_positional: bool = False


def candidates(value: Any, edits: Iterable[Edit], offered: Collection[str]) -> list[Candidate]:
    """Return the calls that `value` spells, in order.

    Raises:
        Unreadable: `value` is no call in any known spelling, or has two spellings at once.
    """
    found = list(edits)
    spelled = _spelled(value, "", offered)
    return [_with_edits(name, arguments, place, found) for name, arguments, place in spelled]


def is_call_shaped(value: Any, offered: Collection[str]) -> bool:
    """Whether `value` is spelled as a call, or as several, whatever the names."""
    try:
        return bool(_spelled(value, "", offered))
    except Unreadable:
        return False


_Spelled = tuple[str, Any, str]


def _spelled(value: Any, place: str, offered: Collection[str]) -> list[_Spelled]:
    if isinstance(value, list):
        return [
            call for number, item in enumerate(value) for call in _spelled(item, f"{place}/{number}", offered)
        ]
    if not isinstance(value, dict):
        raise Unreadable("a call is an object with a name and arguments", where=place, value=_shown(value))
    for key in LISTS:
        if isinstance(value.get(key), list) and not _name_key(value):
            return _spelled(value[key], f"{place}/{key}", offered)
    for key in WRAPPERS:
        if isinstance(value.get(key), dict) and _beside(value, key) <= PASSING:
            return _spelled(value[key], f"{place}/{key}", offered)
    if len(value) == 1 and (name := next(iter(value))) in offered and isinstance(value[name], dict | str):
        return [(name, value[name], f"{place}/{name}")]
    return [_named(value, place)]


def _beside(value: Mapping[str, Any], *known: str) -> set[str]:
    return value.keys() - set(known)


def _name_key(value: Mapping[str, Any]) -> str:
    return next((key for key in NAME_KEYS if isinstance(value.get(key), str) and value[key]), "")


def _named(value: dict[str, Any], place: str) -> _Spelled:
    name_key = _name_key(value)
    if not name_key:
        raise Unreadable("a call has no name", where=place, value=_shown(value))
    given = [key for key in ARGUMENT_KEYS if key in value]
    if len(given) > 1:
        raise Unreadable("a call has its arguments twice", where=place, value=" and ".join(given))
    if not given:
        raise Unreadable(
            "a call has no arguments in any known spelling", where=place, value=", ".join(map(str, value))
        )
    extra = _beside(value, name_key, given[0]) - PASSING
    if extra:
        raise Unreadable("a field stands beside name and arguments", where=place, value=min(extra))
    return value[name_key], value[given[0]], f"{place}/{given[0]}"


def _with_edits(name: str, arguments: Any, place: str, edits: list[Edit]) -> Candidate:
    """Return the call with its edits, or refuse a closer that was supplied inside its arguments."""
    inside = [edit for edit in edits if edit.where == place or edit.where.startswith(place + "/")]
    if any(edit.name == MISSING_CLOSER for edit in edits) and _is_nested(arguments):
        raise Unreadable(
            "a closer is missing, and it may belong in more than one place", where=place, is_open=True
        )
    moved = [Edit(edit.name, edit.where[len(place) :], edit.before, edit.after) for edit in inside]
    outside = [edit for edit in edits if edit not in inside]
    return Candidate(name, arguments, tuple(outside + moved))


def _is_nested(arguments: Any) -> bool:
    if not isinstance(arguments, dict):
        return False
    return any(
        isinstance(value, dict) or (isinstance(value, list) and _holds_container(value))
        for value in arguments.values()
    )


def _holds_container(items: list[Any]) -> bool:
    return any(isinstance(item, dict | list) for item in items)


def arguments_of(spelled: Any) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return the object that `spelled` is, or spells as text.

    Raises:
        Unreadable: it is neither; `None` and "" are returned as no arguments, with an edit.
    """
    if isinstance(spelled, dict):
        return spelled, ()
    if spelled is None or spelled in ("", "null", "None", "{}"):
        edit = () if spelled == "{}" else (Edit("nothing as no arguments", "", str(spelled), "{}"),)
        return {}, edit
    if not isinstance(spelled, str):
        raise Unreadable("arguments are an object", value=_shown(spelled))
    read = read_value(spelled)
    if spelled[read.end :].strip():
        raise Unreadable(
            "something stands behind the arguments", value=spelled[read.end :].strip()[:24], reached=read.end
        )
    if isinstance(read.value, str):
        inner, edits = arguments_of(read.value)
        return inner, (*read.edits, Edit("arguments decoded twice"), *edits)
    if not isinstance(read.value, dict):
        raise Unreadable("arguments are an object", value=_shown(read.value))
    if any(edit.name == MISSING_CLOSER for edit in read.edits):
        raise Unreadable("the arguments are not closed", value=spelled[-24:], is_open=True, reached=read.end)
    return read.value, tuple(read.edits)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
