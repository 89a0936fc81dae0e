"""Whether a call heeds the words of its step: what the step spells out should stand in the call.

A small model copies values exactly and from the wrong place: the path of the step before, the value of
the next parameter. Code can see that without understanding the step.

Laws: `contradicted` speaks only where the step assigns a value to a parameter by the parameter's own name
("path = notes/a.md"), and is certain; `overlooked` speaks of quoted words, paths and addresses that no
argument holds, and is a doubt: whoever asks again because of it must accept the same answer in the end.
"""

import re
from collections.abc import Iterator
from typing import Any

from nebulus.core.findings import Call, Finding, FindingKind
from nebulus.core.tools import ToolSpec

_QUOTED = r"\"([^\"\n]{1,400})\"|`([^`\n]{1,400})`|(?<!\w)'([^'\n]{1,400})'(?!\w)"
_PATH = r"(?<![\w/.@\-])(?:[\w.\-]+/)+(?:[\w.\-]*\w)?|(?<![\w/.@\-])[\w\-]{2,}\.[A-Za-z]\w{0,5}\b(?!/)"
_ADDRESS = r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"
_SPELLED = re.compile(f"{_QUOTED}|({_ADDRESS})|({_PATH})")
_BARE = r"[^\s,;|&()\[\]{}\"'`]+(?=\s*(?:[,;|&)\]}]|$)|\s+and\b)"
"""A value without quotes ends where a list goes on or the step ends; several words are no certain value."""


def contradicted(step: str, call: Call, tool: ToolSpec) -> Finding | None:
    """Return the finding for the first argument that is not what the step assigns to its parameter."""
    for name, value in assigned(step, tool):
        if name not in call.arguments or not _is_spelled(call.arguments[name], value):
            given = _spelled(call.arguments[name])[:60] if name in call.arguments else "nothing"
            rule = f"the step says {name} = {value}"
            return Finding(
                kind=FindingKind.UNHEEDED, rule=rule, where=f"/{name}", value=given, tool=tool.name
            )
    return None


def overlooked(step: str, call: Call, tool: ToolSpec) -> Finding | None:
    """Return the finding for the first value that the step spells out and no argument holds."""
    held = [leaf for argument in call.arguments.values() for leaf in _leaves(argument)]
    names = {tool.name, *tool.parameters.get("properties", {})}
    for value in spelled_out(step):
        if value not in names and not any(value in leaf or leaf in value for leaf in held if leaf):
            return Finding(
                kind=FindingKind.UNHEEDED,
                rule=f"the step names {value}, and the call leaves it out",
                value=", ".join(held)[:60],
                tool=tool.name,
            )
    return None


def assigned(step: str, tool: ToolSpec) -> Iterator[tuple[str, str]]:
    """Yield the parameters that the step assigns by name with `=`, and the values as they are spelled."""
    for name in tool.parameters.get("properties", {}):
        pattern = rf"(?<![\w.\-])[`\"]?{re.escape(name)}[`\"]?\s*:?=\s*(?:{_QUOTED}|({_BARE}))"
        for match in re.finditer(pattern, step):
            quoted = next((part for part in match.groups()[:3] if part is not None), None)
            yield name, quoted if quoted is not None else match[4].rstrip(".:!?")


def spelled_out(step: str) -> Iterator[str]:
    """Yield the quoted words, paths and addresses of a step, in order, without their quotes."""
    for match in _SPELLED.finditer(step):
        yield next(part for part in match.groups() if part is not None)


def _is_spelled(argument: Any, value: str) -> bool:
    return _spelled(argument) == (value.lower() if isinstance(argument, bool) else value)


def _spelled(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return str(value)


def _leaves(value: Any) -> list[str]:
    match value:
        case dict():
            return [leaf for item in value.values() for leaf in _leaves(item)]
        case list():
            return [leaf for item in value for leaf in _leaves(item)]
        case _:
            return [_spelled(value)]
