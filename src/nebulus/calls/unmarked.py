"""Calls without marks: JSON, Python or a name and its JSON, at the start of a line, of a fence or of the answer.

Invariants: what only looks like a call of no tool on offer is data; whether words around it make it doubtful
is decided elsewhere.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

from nebulus.calls.bodies import after, named_arguments, value_and_surplus
from nebulus.calls.candidate import Candidate, candidates, is_call_shaped
from nebulus.calls.dialect import Block, Source
from nebulus.calls.invocation import PRINTING, invocations, listed, starts_call, starts_list
from nebulus.calls.literal import MISSING_CLOSER, UnreadableError, Value
from nebulus.calls.names import resolve
from nebulus.calls.scanner import read_value
from nebulus.core.tools import ToolSpec

_BETWEEN = re.compile(r"(?:\s|[;,]|</tool_call>|</function>)*")
_NAMED_LINE = re.compile(r"([A-Za-z_][\w.\-:/]{0,159})[ \t]*+\n?[ \t]*+(?=\{)")
_CALL_NAME = re.compile(r"[A-Za-z_][\w.\-]{0,159}")
_QUOTED_CALL = re.compile(r"\[\s*+(['\"])(?=[A-Za-z_][\w.\-]{0,159}\()")
_PAIRS = re.compile(r"[\[(]\s*+\(\s*+['\"]|\(\s*+['\"][\w.\-]{1,160}['\"]\s*+,")
_SURPLUS = re.compile(r"[)\]}]{1,2}(?=\s{0,99}(?:\Z|\n|<))")
_LINE_END = re.compile(r"\n|\Z")

Taken: TypeAlias = tuple[Block | None, int, int]
"""The block, or none; where data that is not a call ends (the start for none); and how far was read."""


def take_unmarked(source: Source, start: int) -> Taken:
    """Take the calls at `start` that have no marks."""
    text = source.text
    try:
        found, end, dialect = _calls(source, start)
    except UnreadableError as problem:
        reached = max(problem.reached, start + 1)
        if not _mentions(text, start, reached, offered=source.offered):
            return None, start, reached
        end = _LINE_END.search(text, min(reached, len(text))).end()  # type: ignore[union-attr]
        return Block(start=start, end=end, dialect="json", problem=problem, is_marked=False), end, reached
    if not found:
        return None, end, end
    if not any(edit.name == MISSING_CLOSER for each in found for edit in each.edits):
        end = after(_SURPLUS, text, end)
    return Block(start=start, end=end, dialect=dialect, candidates=tuple(found), is_marked=False), end, end


def _calls(source: Source, start: int) -> tuple[list[Candidate], int, str]:
    """Return the calls at `start`, none for words and data, how far was read, and in which form."""
    text, offered = source.text, source.offered
    if starts_list(text, start):
        return (*invocations(text, start), "python")
    if text.startswith(("[", "(", "{"), start):
        if (one := listed(text, start)) is not None and is_offered(one[0].name, offered):
            return [one[0]], one[1], "python"
        return _json(text, start, offered)
    if starts_call(text, start):
        name = _CALL_NAME.match(text, start)
        if name is not None and name.group() in PRINTING and name.group() not in offered:
            name = _CALL_NAME.match(text, name.end() + 1)
        is_known = name is not None and is_offered(name.group(), offered)
        return (*invocations(text, start), "python") if is_known else ([], start, "")
    return _named(source, start)


def _json(text: str, start: int, offered: Mapping[str, ToolSpec]) -> tuple[list[Candidate], int, str]:
    """Return the calls of one JSON value behind another, up to the first that is not a call."""
    found: list[Candidate] = []
    end = position = start
    is_python = _PAIRS.match(text, start) is not None
    while text.startswith(("{", "[", "(")[: 2 + is_python], position):
        try:
            read, position = _value(text, position, is_python=is_python)
        except UnreadableError:
            if not found:
                raise
            break  # what follows is tried by itself
        if isinstance(read.value, list) and _QUOTED_CALL.match(text, end):
            return _quoted_calls(read.value, offered), position, "python"
        if not is_call_shaped(read.value, offered):
            _refuse_shapeless(read.value, offered, reached=position)
            return found, end if found else position, "json"
        found.extend(candidates(read, offered))
        end, position = position, after(_BETWEEN, text, position)
    return found, end, "json"


def _value(text: str, position: int, *, is_python: bool) -> tuple[Value, int]:
    if not is_python:
        return value_and_surplus(text, position)
    read = read_value(text, position, is_python=True)
    return read, read.end


def _refuse_shapeless(value: object, offered: Mapping[str, ToolSpec], *, reached: int) -> None:
    """Refuse an object that names a tool on offer as a call does, and is not one in any known shape."""
    items = value if isinstance(value, list) else [value]
    for item in items:
        if isinstance(item, dict) and any(
            isinstance(item.get(key), str) and item[key] in offered
            for key in ("name", "tool", "function", "action")
        ):
            raise UnreadableError("a call has no arguments in any known spelling", reached=reached)


def _quoted_calls(items: list[object], offered: Mapping[str, ToolSpec]) -> list[Candidate]:
    """Return the calls of a list whose items are calls as text."""
    found: list[Candidate] = []
    for item in items:
        if not isinstance(item, str) or not starts_call(item, 0):
            return []
        calls, end = invocations(item, 0)
        if item[end:].strip() or not all(is_offered(call.name, offered) for call in calls):
            return []
        found.extend(calls)
    return found


def _named(source: Source, start: int) -> tuple[list[Candidate], int, str]:
    """Return the calls that are written as the name of a tool on offer and its JSON."""
    text, offered = source.text, source.offered
    found: list[Candidate] = []
    end = position = start
    while (head := _NAMED_LINE.match(text, position)) and is_offered(head[1], offered):
        candidate, end = named_arguments(source, head[1], head.end())
        found.append(candidate)
        position = after(_BETWEEN, text, end)
    return found, end, "named"


def is_offered(name: str, offered: Mapping[str, ToolSpec]) -> bool:
    """Whether a written name means a tool on offer."""
    return resolve(name, offered)[0] is not None


def _mentions(text: str, start: int, reached: int, *, offered: Mapping[str, ToolSpec]) -> bool:
    """Whether what was read there names a tool on offer as a call would."""
    piece = text[start : reached + 200]
    return any(
        spelled in piece
        for name in offered
        for spelled in (f'"{name}"', f"'{name}'", f"{name}(", f"{name}\n")
    )
