"""From a value to the calls written in it: every known spelling of a name and of its arguments.

Invariants: an unknown spelling is a complaint, never an empty object; arguments that can't be read are never
`{}`; two spellings at once are a complaint, not a choice.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from nebulus.calls.literal import MISSING_CLOSER, UnreadableError, Value
from nebulus.calls.names import resolve
from nebulus.calls.scanner import read_value
from nebulus.calls.schema import property_names
from nebulus.core.findings import Edit
from nebulus.core.tools import ToolSpec

NAME_KEYS = ("name", "tool", "tool_name", "function_name", "function", "action", "recipient_name", "api")
ARGUMENT_KEYS = (
    "arguments", "parameters", "args", "input", "params", "kwargs", "tool_input", "action_input",
    "tool_args", "tool_arguments", "tool_parameters", "function_args", "function_arguments", "inputs",
)  # fmt: skip
WRAPPERS = ("function", "function_call", "tool_call", "tool_use")
LISTS = ("tool_calls", "calls", "function_calls", "tool_uses", "actions")
PASSING = frozenset({"id", "type", "index", "call_id", "tool_call_id", "role", "content", "thought"})
"""Keys that are next to a call and say nothing of it."""


class Candidate(Struct, frozen=True):
    """A call as it was spelled: nothing of it was looked up or validated yet.

    `arguments` is an object, or text or null where the writer put these. `beside` are fields that were
    next to name and arguments. `is_positional`: `arguments` is a list of values that were given without names, `beside` those with.
    """

    name: str
    arguments: Any
    edits: tuple[Edit, ...] = ()
    beside: dict[str, Any] = {}
    is_positional: bool = False


class _Spelling(Struct, frozen=True):
    name: str
    arguments: Any
    place: str
    beside: dict[str, Any] = {}
    edits: tuple[Edit, ...] = ()


def candidates(read: Value, offered: Mapping[str, ToolSpec]) -> list[Candidate]:
    """Return the calls written in a value, in order.

    Raises:
        UnreadableError: it is not a call in any known spelling, has two spellings at once, or it took a missing
            closer that may belong elsewhere.
    """
    return [_candidate(spelling, read) for spelling in _spelled(read.value, "", offered)]


def is_call_shaped(value: Any, offered: Mapping[str, ToolSpec]) -> bool:
    """Whether `value` is spelled as a call, or as several, whatever the names."""
    try:
        return bool(_spelled(value, "", offered))
    except UnreadableError:
        return False


def _spelled(value: Any, place: str, offered: Mapping[str, ToolSpec]) -> list[_Spelling]:
    if isinstance(value, list):
        match value:
            case [str() as name, dict() as arguments] if resolve(name, offered)[0]:
                return [_Spelling(name, arguments, f"{place}/1")]
        return [
            spelling
            for number, item in enumerate(value)
            for spelling in _spelled(item, f"{place}/{number}", offered)
        ]
    if not isinstance(value, dict):
        raise UnreadableError(
            "a call is an object with a name and arguments", where=place, value=shown(value)
        )
    inner = _wrapped(value)
    if inner:
        return _spelled(value[inner], f"{place}/{inner}", offered)
    if len(value) == 1:
        ((name, arguments),) = value.items()
        if _is_object(arguments) and resolve(name, offered)[0]:
            return [_Spelling(name, arguments, f"{place}/{name}")]
    return [_named(value, place, offered)]


def _is_object(value: Any) -> bool:
    """Whether a value is an object, or text that begins as one."""
    return isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{"))


def _wrapped(value: Mapping[str, Any]) -> str:
    """The key under which the call itself is, "" if it is not wrapped."""
    for key in LISTS:
        if isinstance(value.get(key), list) and not _name_key(value):
            return key
    for key in WRAPPERS:
        if isinstance(value.get(key), dict) and value.keys() - {key} <= PASSING:
            return key
    return ""


def _name_key(value: Mapping[str, Any]) -> str:
    return next((key for key in NAME_KEYS if isinstance(value.get(key), str) and value[key]), "")


def _type_as_name(value: Mapping[str, Any], offered: Mapping[str, ToolSpec]) -> str:
    """The key "type" where a small model wrote the name of a tool behind it, "" elsewhere."""
    return "type" if isinstance(value.get("type"), str) and value["type"] in offered else ""


def _named(value: dict[str, Any], place: str, offered: Mapping[str, ToolSpec]) -> _Spelling:
    name_key = _name_key(value) or _type_as_name(value, offered)
    if not name_key:
        raise UnreadableError("a call has no name", where=place, value=shown(value))
    given = [key for key in ARGUMENT_KEYS if key in value]
    flat = {key: field for key, field in value.items() if key != name_key and key not in PASSING}
    if not any(_is_object(value[key]) for key in given) and _declares(value[name_key], flat, offered):
        edit = Edit("arguments beside the name" if flat else "nothing as no arguments")
        return _Spelling(value[name_key], flat, place, edits=(edit,))
    if len(given) > 1:
        raise UnreadableError("a call has its arguments twice", where=place, value=" and ".join(given))
    if not given:
        keys = ", ".join(map(str, value))
        raise UnreadableError("a call has no arguments in any known spelling", where=place, value=keys[:60])
    beside = {key: field for key, field in value.items() if key not in (name_key, given[0])}
    return _Spelling(value[name_key], value[given[0]], f"{place}/{given[0]}", beside)


def _declares(name: str, flat: Mapping[str, Any], offered: Mapping[str, ToolSpec]) -> bool:
    """Whether the tool that `name` means declares all of these as its arguments."""
    tool, _ = resolve(name, offered)
    return tool is not None and flat.keys() <= set(property_names(tool))


def _candidate(spelling: _Spelling, read: Value) -> Candidate:
    place = spelling.place
    require_certain_closers(spelling.arguments, read, place)
    moved = tuple(
        Edit(edit.name, edit.where.removeprefix(place), edit.before, edit.after) for edit in read.edits
    )
    return Candidate(spelling.name, spelling.arguments, (*moved, *spelling.edits), spelling.beside)


def require_certain_closers(arguments: Any, read: Value, place: str) -> None:
    """Refuse a closer that was supplied where it is not certain that nothing else is missing.

    A closer at the very end of an answer may hide more text that was cut: it is supplied only
    around arguments that are closed themselves. With containers inside the arguments, a missing closer
    may belong in more than one place.

    Raises:
        UnreadableError: the closer is not certain.
    """
    supplied = [edit for edit in read.edits if edit.name == MISSING_CLOSER]
    if supplied and _is_nested(arguments):
        raise UnreadableError("a closer is missing, and it may belong in more than one place", where=place)
    is_cut = not read.is_terminated and any(
        edit.before == "" and (edit.where == place or edit.where.startswith(place + "/")) for edit in supplied
    )
    if is_cut:
        raise UnreadableError(
            "the text ends inside the arguments", where=place, is_open=True, reached=read.end
        )


def _is_nested(arguments: Any) -> bool:
    """Whether containers are where a closer could have been meant for them."""
    if not isinstance(arguments, dict):
        return False
    held = [value for value in arguments.values() if isinstance(value, dict | list)]
    inner = [item for value in held if isinstance(value, list) for item in value]
    return any(isinstance(value, dict) for value in held) or any(
        isinstance(item, dict | list) for item in inner
    )


def arguments_of(spelled: Any, *, is_optional: bool) -> tuple[dict[str, Any], tuple[Edit, ...]]:
    """Return the object that `spelled` is, or has as text, with the edits that it took.

    Nothing at all means no arguments only where these are optional.

    Raises:
        UnreadableError: it is neither.
    """
    if isinstance(spelled, dict):
        return spelled, ()
    if spelled is None or (isinstance(spelled, str) and spelled.strip() in ("", "null", "None")):
        if not is_optional:
            raise UnreadableError("the arguments are missing", value=shown(spelled))
        return {}, (Edit("nothing as no arguments", "", str(spelled)[:40], "{}"),)
    if not isinstance(spelled, str):
        raise UnreadableError("arguments are an object", value=shown(spelled))
    read = read_value(spelled)
    rest = spelled[read.end :].strip()
    if rest:
        raise UnreadableError("something is behind the arguments", value=rest[:24], reached=read.end)
    if isinstance(read.value, str):
        inner, edits = arguments_of(read.value, is_optional=is_optional)
        return inner, (*read.edits, Edit("arguments decoded twice"), *edits)
    if not isinstance(read.value, dict):
        raise UnreadableError("arguments are an object", value=shown(read.value))
    require_certain_closers(read.value, read, "")
    return read.value, read.edits


def shown(value: Any) -> str:
    """Return a value for a message, in at most 60 characters."""
    text = (
        repr(value)
        if not isinstance(value, list | dict) or len(value) < 20
        else f"{type(value).__name__} of {len(value)}"
    )
    return text if len(text) <= 60 else text[:57] + "..."
